"""The examination of a backend that gave a wrong answer: its further answers tell what is wrong.

It is asked again, afresh and with cases of the same kind whose values leave mistakes nowhere to hide, and
the known mistakes are tried on all its wrong answers together.
A `time_limit` around it ends it early: what was found until then is told, and where it ended.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.asking import (
    answers_differ,
    limited,
    ratio,
    run_or_refuse,
    status,
    wrong_answers,
)
from rnn_lockstep.adapters.backends.compare import judge, judge_gradients, run_gradients
from rnn_lockstep.adapters.backends.contract import Adapter, Refused
from rnn_lockstep.adapters.backends.dependences import dependences
from rnn_lockstep.adapters.backends.further import PROBES, further_probes, only_shown
from rnn_lockstep.adapters.backends.ignored import ignored
from rnn_lockstep.adapters.backends.survey import rules, survey
from rnn_lockstep.reference import Case, Cotangents, Trace, Verdict
from rnn_lockstep.reference.diagnosis.diagnose import (
    Answer,
    Diagnosis,
    diagnose,
    diagnose_gradients,
)
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, zeros_in_padding
from rnn_lockstep.reference.diagnosis.probe import probe, sibling, twin, with_each_array
from rnn_lockstep.reference.diagnosis.recover_gradients import GradientAnswer
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp, need_time
from rnn_lockstep.reference.oracle.validation import Array

ALONE = "no cause is known: it is wrong in this case, and right in others like it"
IGNORED = "with and without, its answers are the same bits, and those without are right"
LATER = "the answer was wrong when it came, and is right by now: something writes to it later"
PADDING = "what is in the padding reaches the answer: it is wrong with NaN there, and right with zeros"
RANDOM = "the same case gives other answers the next time: something is random or kept"


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
    verdict: Verdict,
    trace: Trace,
    hints: Sequence[Mistake] = (),
) -> Examination:
    """Find out why `trace`, a wrong answer of `adapter` by this verdict, is wrong.

    make: makes the same backend anew.  hints: as for `reference.diagnosis.diagnose.diagnose`.
    """
    case = verdict.case
    if not verdict.comparisons:
        return Examination(verdict.reason)
    try:
        if unsteady := unsteadiness(make, adapter, case):
            return Examination(unsteady)
        probes = [probe(case, seed) for seed in range(PROBES)]
        if is_random(adapter, probes[0]):
            return Examination(RANDOM)
        with np.errstate(all="ignore"):
            twins = [twin(case, seed) for seed in range(PROBES)]
            siblings = [sibling(case, seed) for seed in range(PROBES)]
        wrong, alike = (list(wrong_answers(adapter, cases)) for cases in (probes, twins))
        some = [sibling(like.case, PROBES) for like in (wrong or alike)[:1]] or siblings
        near = list(wrong_answers(adapter, some))
    except TimeIsUp as over:
        return Examination(f"not diagnosed: {over} before the backend had answered more: {verdict.reason}")
    surveys = survey(case, partial(ratio, adapter))
    usual, seen, shown_by = probes[0], bool(wrong), ""
    if not seen:
        shown_by, probes, wrong = further_probes(adapter, case, surveys)
    answers = [Answer(case, trace), *near, *wrong, *alike]
    diagnosis = diagnose(answers, adapter.facts.arithmetic(case.dtype), hints)
    if is_right_by_now(adapter, case, trace):
        return Examination(LATER)
    named = len(diagnosis.explanations)
    what = ignored(adapter, usual) if seen or not named else ""
    if not named and (what := what or ignored(adapter, case)):
        return Examination(f"it ignores {what}: {IGNORED}", diagnosis)
    if not named and padding_matters(adapter, case):
        return Examination(f"{PADDING}: {verdict.reason}", diagnosis)
    reason = f"{verdict.reason}{size_boundary_hint(verdict)}"
    where = rules(surveys)
    if named and not wrong and not alike and not (near and named == 1):  # many may have the same effect there
        return Examination(f"{ALONE}: {reason}")
    if where:
        cause = f"{diagnosis}, {where}" if named else f"wrong {where}: {diagnosis}: {reason}"
    elif named:
        cause = f"{diagnosis}{'' if seen else only_shown(case, usual, shown_by, alike)}"
    else:
        cause = f"{diagnosis}: {reason}"
    told = [str(each) for each in surveys if each.rule]
    return Examination(
        f"it ignores {what}: {cause}" if what else cause,
        diagnosis,
        (*told, *notes(adapter, probes[0], diagnosis)),
    )


def is_right_by_now(adapter: Adapter, case: Case, trace: Trace) -> bool:
    """Tell whether an answer that was wrong when it came is so no more."""
    try:
        return judge(adapter, case, trace).status == "match"
    except TimeIsUp:
        return False


def padding_matters(adapter: Adapter, case: Case) -> bool:
    """Tell whether a wrong answer to a case is right once there are zeros for NaN in its padding."""
    if not np.isnan(case.inputs).any():
        return False
    try:
        return status(adapter, zeros_in_padding(case)) == "match"
    except TimeIsUp:
        return False


def unsteadiness(make: Callable[[], Adapter], adapter: Adapter, case: Case) -> str:
    """Say whether the backend answers a case otherwise the next time, laid out otherwise, or when new.

    It is empty where it does not.
    """
    if (plain := contiguous(case)) is not case and status(adapter, plain) == "match":
        return "it is wrong only where arrays are not contiguous in memory: strided, or in Fortran order"
    if is_random(adapter, case):
        return RANDOM
    with anew(make) as new:
        if status(new, case) == "match":
            return "something is kept between calls: a new backend answers the same case rightly"
    return ""


def is_random(adapter: Adapter, case: Case) -> bool:
    """Tell whether a backend that does not say so answers a case with other bits the next time."""
    if adapter.facts.varies:
        return False
    return answers_differ(run_or_refuse(adapter, case), run_or_refuse(adapter, case))


def contiguous(case: Case) -> Case:
    """The case with its arrays contiguous in memory; itself where they are."""
    if all(array.flags.c_contiguous for array in case.arrays().values()):
        return case
    return with_each_array(case, np.ascontiguousarray)


@contextmanager
def anew(make: Callable[[], Adapter]) -> Iterator[Adapter]:
    """Make a backend, and close it after use where it has a method `close`."""
    new: Any = make()
    try:
        yield new
    finally:
        getattr(new, "close", lambda: None)()


def size_boundary_hint(verdict: Verdict) -> str:
    """A hint where the first wrong step or unit is a multiple of 8 or one more, as blocks of a loop begin."""
    if verdict.first is None:
        return ""
    index = dict(verdict.first.index)
    if verdict.case.reverse and "time" in index:  # its steps are run from the last
        index["time"] = verdict.case.time - 1 - index["time"]
    places = [index.get(axis, 0) for axis in ("time", "unit")]
    return "; suspect a size boundary" if any(k >= 8 and k % 8 < 2 for k in places) else ""


def examine_gradients(
    adapter: Adapter, verdict: Verdict, cotangents: Cotangents, answer: Mapping[str, Array]
) -> Examination:
    """Find out why `answer`, gradients of `adapter` that are wrong by this verdict, is wrong."""
    case = verdict.case
    if not verdict.comparisons:
        return Examination(verdict.reason)
    try:
        if status(adapter, case) == "mismatch":
            return Examination("the answer is wrong already, before its gradients")
    except TimeIsUp as over:
        return Examination(f"not diagnosed: {over} before the backend had answered more: {verdict.reason}")
    asked = GradientAnswer(case, cotangents, answer)
    try:
        twins = [twin(case, seed) for seed in range(PROBES)]
        more = list(wrong_gradients(adapter, [*twins, sibling(twins[0], PROBES)]))
    except TimeIsUp:
        more = []
    surveys = survey(case, partial(gradient_ratio, adapter))
    diagnosis = diagnose_gradients([asked, *more], adapter.facts.arithmetic(case.dtype))
    if diagnosis.explanations and not more:
        return Examination(f"{ALONE}: {verdict.reason}")
    cause = str(diagnosis) if diagnosis.explanations else f"{diagnosis}: {verdict.reason}"
    if where := rules(surveys):
        cause = f"{diagnosis}, {where}" if diagnosis.explanations else f"wrong {where}: {cause}"
    told = (str(each) for each in surveys if each.rule)
    return Examination(cause, diagnosis, (*told, *early_end(diagnosis)))


def wrong_gradients(adapter: Any, cases: Sequence[Case]) -> Iterator[GradientAnswer]:
    """The wrong gradients of the backend in cases of one form."""
    for case in cases:
        asked, verdict = judged_gradients(adapter, case)
        if asked and verdict and verdict.status == "mismatch" and verdict.comparisons:
            yield asked


def gradient_ratio(adapter: Any, case: Case) -> float | None:
    """How far off the backend's gradients are, in bounds; None where nothing can be said of it."""
    _, verdict = judged_gradients(adapter, case)
    return verdict.ratio if verdict and verdict.status in ("match", "mismatch") else None


def judged_gradients(adapter: Any, case: Case) -> tuple[GradientAnswer | None, Verdict | None]:
    """The gradients of the backend by the same cotangents of everything, and the verdict; none if refused."""
    need_time()
    rng = np.random.default_rng(0)
    steps = (case.time,) if case.return_sequences else ()
    shapes = [(case.batch, *steps, case.features), *case.state_shapes]
    cotangents = Cotangents(*(rng.normal(size=shape).astype(case.dtype) for shape in shapes))
    try:
        with limited(adapter):
            found = run_gradients(adapter, case, cotangents)
    except Refused:
        return None, None
    verdict = judge_gradients(adapter, case, cotangents, found)
    return GradientAnswer(case, cotangents, found), verdict


def notes(adapter: Adapter, like: Case, diagnosis: Diagnosis) -> Iterator[str]:
    """Tell how far the diagnosis came and what the mistake depends on. like: a case that shows it."""
    yield from early_end(diagnosis)
    try:
        yield from dependences(adapter, like)
    except TimeIsUp:  # the cause is told without them
        return


def early_end(diagnosis: Diagnosis) -> Iterator[str]:
    """Tell where a diagnosis ended that found something before its end: there may be more to find."""
    if diagnosis.explanations and diagnosis.unfinished:
        yield f"not diagnosed to the end: {diagnosis.unfinished}"
