"""The examination of a backend that gave a wrong answer: its further answers tell what is wrong.

It is asked again, afresh and with cases of the same kind whose values leave mistakes nowhere to hide, and
the known mistakes are tried on all its wrong answers together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.adapters.backends.contract import Adapter, Refused
from rnn_lockstep.reference import Case, Cotangents, Trace, Verdict
from rnn_lockstep.reference.diagnosis.diagnose import Answer, Diagnosis, diagnose, diagnose_gradients
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, with_states
from rnn_lockstep.reference.diagnosis.probe import probe
from rnn_lockstep.reference.oracle.validation import Array

PROBES = 2


@dataclass(frozen=True)
class Examination:
    """The findings about a wrong answer.

    cause: the likely one, in one line.  diagnosis: where the known mistakes were tried.
    notes: further findings that narrow it down, one line each.
    """

    cause: str
    diagnosis: Diagnosis | None = None
    notes: tuple[str, ...] = ()


def examine(
    make: Callable[[], Adapter],
    adapter: Adapter,
    case: Case,
    trace: Trace,
    hints: Sequence[Mistake] = (),
) -> Examination:
    """Find out why `trace`, a wrong answer of `adapter` to `case`, is wrong.

    make: makes the same backend anew.  hints: as for `reference.diagnosis.diagnose.diagnose`.
    """
    verdict = judge(adapter, case, trace)
    if not verdict.comparisons:
        return Examination(verdict.reason)
    if answers_differ(run_or_refuse(adapter, case), run_or_refuse(adapter, case)):
        return Examination("the same case gives other answers the next time: something is random or kept")
    if status(make(), case) == "match":
        return Examination("something is kept between calls: a new backend answers the same case rightly")
    probes = [probe(case, seed) for seed in range(PROBES)]
    answers = [(like, run_or_refuse(adapter, like)) for like in probes]
    wrong = [Answer(like, found) for like, found in answers if found and is_wrong(adapter, like, found)]
    diagnosis = diagnose([Answer(case, trace), *wrong], adapter.facts.arithmetic(case.dtype), hints)
    unexplained = f"{diagnosis}: {verdict.reason}{size_boundary_hint(verdict)}"
    cause = str(diagnosis) if diagnosis.explanations else unexplained
    return Examination(cause, diagnosis, tuple(notes(adapter, probes[0])))


def size_boundary_hint(verdict: Verdict) -> str:
    """A hint where the first wrong step or unit is a multiple of 8 or one more, as blocks of a loop begin."""
    first = verdict.first
    places = [] if first is None else [first.index.get(axis, 0) for axis in ("time", "unit")]
    return "; suspect a size boundary" if any(k >= 8 and k % 8 < 2 for k in places) else ""


def examine_gradients(
    adapter: Adapter, case: Case, cotangents: Cotangents, answer: Mapping[str, Array]
) -> Examination:
    """Find out why `answer`, gradients of `adapter`, is wrong."""
    if judge(adapter, case, run(adapter, case)).status == "mismatch":
        return Examination("the answer is wrong already, before its gradients")
    diagnosis = diagnose_gradients(case, cotangents, answer, adapter.facts.arithmetic(case.dtype))
    return Examination(str(diagnosis), diagnosis)


def notes(adapter: Adapter, like: Case) -> Iterator[str]:
    """Find out whether a mistake depends on the initial state and on padding. like: a case that shows it."""
    zeros = replace(like, initial_state=None, initial_cell_state=None)
    given = with_states(like, *(np.full(state.shape, 0.5, like.dtype) for state in like.start))
    yield from dependence_on(adapter, "an initial state", given, zeros)
    if like.padded:
        whole = replace(like, inputs=np.nan_to_num(like.inputs), lengths=None, mask=None)
        yield from dependence_on(adapter, "padding", like, whole)


def dependence_on(adapter: Adapter, what: str, having: Case, lacking: Case) -> Iterator[str]:
    """Say whether a mistake shows with something, without it, or both; nothing where it does not show."""
    found = {status(adapter, having), status(adapter, lacking)}
    if found == {"mismatch"}:
        yield f"wrong with and without {what}"
    elif "mismatch" in found and "match" in found:
        yield f"wrong {'with' if status(adapter, having) == 'mismatch' else 'without'} {what} only"


def run_or_refuse(adapter: Adapter, case: Case) -> Trace | None:
    """A backend's answer to a case; None where it refuses it."""
    try:
        return run(adapter, case)
    except Refused:
        return None


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


def is_wrong(adapter: Adapter, case: Case, trace: Trace) -> bool:
    """Tell whether an answer is wrong though its form is right."""
    verdict = judge(adapter, case, trace)
    return verdict.status == "mismatch" and bool(verdict.comparisons)
