"""Asking a backend more, within what is left of a `time_limit`."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.adapters.backends.contract import Adapter, Refused
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.diagnosis.diagnose import Answer
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp, need_time, time_left


def limited(adapter: Any) -> AbstractContextManager[Any]:
    """Give an adapter that can end its own calls, by `limited(seconds)`, what is left of a time limit."""
    if not hasattr(adapter, "limited") or time_left() == math.inf:
        return nullcontext()
    own: AbstractContextManager[Any] = adapter.limited(time_left())
    return own


def wrong_answers(adapter: Adapter, cases: Sequence[Case]) -> Iterator[Answer]:
    """The answers of the backend to cases that are wrong, though their form is right."""
    for case in cases:
        trace = run_or_refuse(adapter, case)
        if trace and is_wrong(adapter, case, trace):
            yield Answer(case, trace)


def run_or_refuse(adapter: Adapter, case: Case) -> Trace | None:
    """A backend's answer to a case; None where it refuses it. Raises TimeIsUp."""
    need_time()
    try:
        with limited(adapter):
            return run(adapter, case)
    except Refused:
        return None
    except Exception:
        need_time()  # the limit may have ended the call, which is no failure of the backend
        raise


def answers_differ(first: Trace | None, second: Trace | None) -> bool:
    """Tell whether two answers to the same case differ in any bit."""
    if not isinstance(first, Trace) or not isinstance(second, Trace):
        return False
    pairs = zip(first.arrays().values(), second.arrays().values(), strict=False)
    return any(a.tobytes() != b.tobytes() for a, b in pairs)


def status(adapter: Adapter, case: Case) -> str:
    """The status of the verdict on a backend's answer to a case, or "refused"."""
    trace = run_or_refuse(adapter, case)
    return "refused" if trace is None else judge(adapter, case, trace).status


def ratio(adapter: Adapter, case: Case) -> float | None:
    """How far off the backend's answer to a case is, in bounds; None where nothing can be said of it."""
    try:
        trace = run_or_refuse(adapter, case)
    except TimeIsUp:
        raise
    except Exception:  # it may be that a size is too large for it
        return None
    verdict = judge(adapter, case, trace) if trace else None
    return verdict.ratio if verdict and verdict.status in ("match", "mismatch") else None


def is_wrong(adapter: Adapter, case: Case, trace: Trace) -> bool:
    """Tell whether an answer is wrong though its form is right."""
    verdict = judge(adapter, case, trace)
    return verdict.status == "mismatch" and bool(verdict.comparisons)
