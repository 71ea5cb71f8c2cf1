"""The diagnosis: which known mistake makes the answers that a backend has given?

Every known mistake is made by the oracle, and its answer judged by the same bounds, step by step from the
backend's own states. The mistake that leaves nothing outside them explains what is wrong; where no single
one does, two together are tried, and then whether one explains a part: some steps, rows or units only.
Where a `time_limit` ends the search, what was found until then is told, and how far it came.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError, narrower_dtypes
from rnn_lockstep.reference.diagnosis.mistakes import COMMON, possible
from rnn_lockstep.reference.diagnosis.mistakes.gradients import possible as gradient_mistakes
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake
from rnn_lockstep.reference.diagnosis.probe import are_siblings
from rnn_lockstep.reference.diagnosis.recover_activation import activation_in_effect
from rnn_lockstep.reference.diagnosis.recover_factors import factors, offsets
from rnn_lockstep.reference.diagnosis.recover_gradients import GradientAnswer, of_right_gradients
from rnn_lockstep.reference.diagnosis.recover_limits import limits
from rnn_lockstep.reference.diagnosis.recover_update import updates
from rnn_lockstep.reference.diagnosis.recover_weights import differences, weights_in_effect
from rnn_lockstep.reference.diagnosis.suspect import FEW, Suspect, count_wrong
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.gradients import Cotangents, gradients
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

PAIRS = 1000  # so many pairs of mistakes are tried on up to a thousand outputs in 50 steps, fewer on others
# The errors of functions in a narrower dtype, where nobody knows who computes it.
NARROWER_ERRORS = dict.fromkeys(ACTIVATIONS, FunctionError(3.0))
AXES = {1: "step", 0: "batch row", 2: "unit"}  # of outputs
SHOWN = 3  # explanations of which a diagnosis tells


class Answer(NamedTuple):
    """A case that was asked, and what a backend answered."""

    case: Case
    trace: Trace


@dataclass(frozen=True)
class Explanation:
    """An explanation of wrong answers: known mistakes made together, or a finding that needs none."""

    says: str
    mistakes: tuple[Mistake, ...] = ()

    def __str__(self) -> str:
        return self.says


@dataclass(frozen=True)
class Diagnosis:
    """The explanations of a backend's wrong answers, the likeliest first.

    tried: the number of known mistakes that were tried one by one.
    unfinished: where the time was over, in words, if it was before the end: "20 s were over after 3 of 186
    known mistakes". Others might explain the answers too then.
    """

    explanations: tuple[Explanation, ...]
    tried: int
    unfinished: str = ""

    def __str__(self) -> str:
        if not self.explanations:
            none = f"none of {self.tried} known mistakes explains it"
            return f"not diagnosed to the end: {self.unfinished}" if self.unfinished else none
        return "; or ".join(str(explanation) for explanation in self.explanations[:SHOWN])


def diagnose(answers: Sequence[Answer], arithmetic: Arithmetic, hints: Sequence[Mistake] = ()) -> Diagnosis:
    """Find what explains wrong answers of one backend to one or more cases, all of which it must explain.

    arithmetic: of the backend, in the dtype of the cases.
    hints: mistakes that explained other answers of the backend; one that explains these too ends the search.
    Right answers explain nothing, and are left out.
    Answers of the wrong form are not for a diagnosis: the verdict says what they are.
    """
    suspects = [Suspect(*each, arithmetic) for each in answers]
    suspects.sort(key=lambda suspect: suspect.trace.outputs.size)
    by_description = {m.description: m for each in answers for m in possible(each.case)}
    known = list(by_description.values())
    hinted = [mistake for mistake in hints if mistake.description in by_description]
    found, tried = list[Explanation](), list[Mistake]()
    try:
        suspects = [suspect for suspect in suspects if count_wrong(suspect.without_mistakes)]
        for explanation in explanations(suspects, known, hinted, tried) if suspects else ():
            found.append(explanation)
    except TimeIsUp as over:
        return Diagnosis(tuple(found), len(tried), how_far(over, tried, known))
    return Diagnosis(tuple(found), len(known))


def explanations(
    suspects: Sequence[Suspect], known: Sequence[Mistake], hinted: Sequence[Mistake], tried: list[Mistake]
) -> Iterator[Explanation]:
    """The explanations of the first kind that there are any of. tried: as for `singles`, of those known."""
    kinds = (
        islice(singles(suspects, hinted, []), 1),
        singles(suspects, known, tried),
        *(islice(more(suspects, known), SHOWN) for more in FURTHER),
    )
    for kind in kinds:
        found = list[Explanation]()
        for explanation in kind:  # each is given out at once: the time may be over before the next
            found.append(explanation)
            yield explanation
        if found:
            return


def how_far(over: TimeIsUp, tried: Sequence[object], known: Sequence[object]) -> str:
    """Say in words where the time was over in the search."""
    if len(tried) < len(known):
        return f"{over} after {len(tried)} of {len(known)} known mistakes"
    return f"{over} after all {len(known)} known mistakes one by one, before all pairs of them"


def diagnose_gradients(answers: Sequence[GradientAnswer], arithmetic: Arithmetic) -> Diagnosis:
    """Find what explains wrong gradients of one backend, in all of the cases that it was asked."""

    def run(case: Case, cotangents: Cotangents) -> dict[str, Any]:
        """The right gradients of a case, with their errors."""
        return gradients(case, cotangents, arithmetic)

    known = gradient_mistakes(answers[0].case)
    found, tried = list[Explanation](), list[object]()
    try:
        for mistake in known:
            with np.errstate(all="ignore"):
                if all(a.is_explained_by(mistake.answer(a.case, a.cotangents, run)) for a in answers):
                    found.append(Explanation(mistake.description))
            tried.append(mistake)
        if not found:
            right = [run(a.case, a.cotangents) for a in answers]
            if says := of_right_gradients(answers, right, arithmetic):
                found.append(Explanation(says))
    except TimeIsUp as over:
        return Diagnosis(tuple(found), len(tried), how_far(over, tried, known))
    return Diagnosis(tuple(found), len(known))


def all_explained(suspects: Sequence[Suspect], *mistakes: Mistake) -> bool:
    """Tell whether the mistakes, made together, explain every one of the answers."""
    return all(suspect.is_explained_by(*mistakes) for suspect in suspects)


def singles(
    suspects: Sequence[Suspect], known: Sequence[Mistake], tried: list[Mistake]
) -> Iterator[Explanation]:
    """The mistakes that explain all; of those which make the same answers, the first.

    tried: takes up each mistake when it has been tried.
    """
    made = set()
    for mistake in known:
        if all_explained(suspects, mistake):
            answers = b"".join(suspect.mistaken_answer(mistake) for suspect in suspects)
            if answers not in made:
                yield Explanation(mistake.description, (mistake,))
            made.add(answers)
        tried.append(mistake)


def pairs(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Pairs of mistakes that explain all; the common ones, and those that leave least wrong, first."""
    smallest, most = suspects[0], suspects[-1]
    if any(np.isnan(suspect.trace.outputs).any() for suspect in suspects):
        return  # what is predicted from NaN is NaN, whatever is added to a mistake that explains one

    def promise(mistake: Mistake) -> tuple[bool, int]:
        return mistake.description not in COMMON, most.unexplained(mistake)

    def needed(both: tuple[Mistake, Mistake]) -> bool:
        """Tell whether neither of two mistakes alone makes the answer of both."""
        return all(most.mistaken_answer(*both) != most.mistaken_answer(each) for each in both)

    promising = sorted(known, key=promise)
    count = int(PAIRS / max(1, smallest.trace.outputs.size / 1000, smallest.case.time / 50))
    for i, j in islice(sorted(combinations(range(len(known)), 2), key=sum), count):
        both = promising[i], promising[j]
        if all_explained(suspects, *both) and needed(both):
            yield Explanation(", and ".join(mistake.description for mistake in both), both)


def from_weights(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """The weights in effect, where they can be recovered and the same are not as given in two answers."""
    found = (differences(weights_in_effect(each.case, each.trace, each.arithmetic)) for each in suspects[-2:])
    told = [different for different in found if different]
    if len({tuple(different) for different in told}) == 1:
        yield Explanation(f"judging by the steps, {', '.join(told[-1].values())}")


def from_factors(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Factors of weights that fit the longest answer and explain all."""
    yield from those_that_explain(suspects, factors(suspects[-1].case, suspects[-1].trace))


def from_offsets(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """A number that is added to a bias, which fits the longest answer and explains all."""
    yield from islice(those_that_explain(suspects, offsets(suspects[-1].case, suspects[-1].trace)), 1)


def from_update(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Another update of the state in effect, which fits the longest answer and explains all."""
    yield from those_that_explain(suspects, updates(suspects[-1].case, suspects[-1].trace))


def from_limits(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Something clipped, at a limit which fits the answer with most wrong numbers and explains all."""
    most = max(suspects, key=lambda suspect: count_wrong(suspect.without_mistakes))
    if count_wrong(most.without_mistakes) >= FEW:  # the others are longer numbers for the same
        yield from islice(those_that_explain(suspects, limits(most.case, most.trace)), 1)


def those_that_explain(suspects: Sequence[Suspect], recovered: Iterable[Mistake]) -> Iterator[Explanation]:
    """The mistakes recovered from the steps that explain all."""
    for mistake in recovered:
        if all_explained(suspects, mistake):
            yield Explanation(f"judging by the steps, {mistake.description}", (mistake,))


def from_activation(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Another activation in effect, by all answers together."""
    if says := activation_in_effect([(s.case, s.trace) for s in suspects], suspects[0].arithmetic):
        yield Explanation(says)


def from_precision(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """The widest narrower dtype in whose bounds all answers lie: perhaps something is computed in it.

    Then most steps are wrong: a few wrong ones among right ones have another cause. And what is rounded is
    off otherwise in nearly the same case.
    """
    near = (pair for pair in combinations(suspects, 2) if are_siblings(*(each.case for each in pair)))
    if not suspects[-1].wrong_at_half_the_steps or any(a.is_off_like(b) for a, b in near):
        return
    for name in narrower_dtypes(suspects[0].case.dtype.name):
        arithmetic = Arithmetic(np.dtype(name), NARROWER_ERRORS)
        most = max(suspects, key=lambda suspect: count_wrong(suspect.without_mistakes))
        if all(suspect.lies_within(arithmetic) for suspect in suspects) and most.looks_rounded_to(arithmetic):
            yield Explanation(f"right, but only as exact as {name}: perhaps something is computed in it")
            return


def parts(suspects: Sequence[Suspect], known: Sequence[Mistake]) -> Iterator[Explanation]:
    """Mistakes that explain outputs which are wrong at some steps, rows or units only.

    Not those in which a NaN is shown: what is predicted from it is NaN too, whatever the mistake. Nor few
    numbers, which anything may explain, and at a single place the mistake must be the only one that does.
    """
    suspect = suspects[-1]
    outside = suspect.without_mistakes[0].outside
    few = np.count_nonzero(outside) < FEW
    if outside.ndim != 3 or few or np.isnan(suspect.trace.outputs).any():
        return
    for axis, name in AXES.items():
        some = np.asarray(outside.any(axis=tuple(other for other in range(3) if other != axis)))
        if some.all():
            continue
        fit = [mistake for mistake in known if suspect.is_explained_at(some, axis, mistake)]
        if np.count_nonzero(some) == 1 and len({suspect.mistaken_answer(each) for each in fit}) > 1:
            continue
        where = places_in_words(name, np.flatnonzero(some), some.size)
        yield from (Explanation(f"at {where}, {mistake.description}", (mistake,)) for mistake in fit)


# What is looked for where no known mistake explains all, the likeliest first.
FURTHER = (
    from_update,
    from_limits,
    from_weights,
    from_factors,
    from_offsets,
    from_activation,
    from_precision,
    pairs,
    parts,
)


def places_in_words(name: str, some: Array, size: int) -> str:
    """Say in words which indices of an axis are concerned. size: of the axis."""
    first, last = int(some[0]), int(some[-1])
    if len(some) == 1:
        return f"{name} {first} only"
    if len(some) == last - first + 1:
        return f"{name} {first} and after" if last == size - 1 else f"{name}s {first} to {last}"
    shown = ", ".join(str(k) for k in some[:8]) + (", ..." if len(some) > 8 else "")
    return f"{name}s {shown}"
