"""One case on one backend, judged by the oracle."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Adapter
from rnn_lockstep.reference import Case, Cotangents, Trace, Verdict, check, check_gradients, check_training
from rnn_lockstep.reference.oracle.validation import Array


def run(adapter: Adapter, case: Case) -> Trace:
    """The backend's answer to `case`. Raises `adapters.Refused` when it cannot express the case."""
    __tracebackhide__ = True
    with np.errstate(all="ignore"):  # what overflows or underflows is judged, not warned of
        return adapter.run(case)


def judge(adapter: Adapter, case: Case, trace: Trace) -> Verdict:
    """The verdict on `trace` as this backend's answer to `case`, in the arithmetic it declares."""
    return check(case, trace, adapter.facts.arithmetic(case.dtype))


def run_gradients(adapter: Any, case: Case, cotangents: Cotangents) -> Any:
    """The backend's gradients. Raises `adapters.Refused` when it cannot express the case."""
    __tracebackhide__ = True
    with np.errstate(all="ignore"):
        return adapter.gradients(case, cotangents)


def judge_gradients(adapter: Adapter, case: Case, cotangents: Cotangents, answer: Any) -> Verdict:
    """The verdict on `answer` as this backend's gradients, in the arithmetic it declares."""
    return check_gradients(case, cotangents, answer, adapter.facts.arithmetic(case.dtype))


def judge_training(
    adapter: Adapter, case: Case, targets: Array, rate: float, answer: Sequence[Mapping[str, Array]]
) -> Verdict:
    """The verdict on `answer` as this backend's weights after each update, in the arithmetic it declares."""
    return check_training(case, targets, rate, answer, adapter.facts.arithmetic(case.dtype))


def compare(adapter: Adapter, case: Case) -> Verdict:
    """Run `case` on the backend and judge every step of its answer. Raises `adapters.Refused`."""
    return judge(adapter, case, run(adapter, case))


CALLS = (run, run_gradients)  # in which what is raised is the backend's


def was_raised_in(error: BaseException, functions: Sequence[Callable[..., Any]]) -> bool:
    """Tell whether an error came out of one of some functions, as its traceback shows."""
    codes = [function.__code__ for function in functions]
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
