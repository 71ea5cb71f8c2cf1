"""Symptoms of known failures: how a wrong answer looks that is the known one, and not another.

A defect that is known is made by the oracle, and the answer judged by the same bounds: what else is wrong
with it stays a failure. Where several entries have a case, their defects are made together.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.bound.arithmetic import DTYPES, Arithmetic
from rnn_lockstep.reference.check.answers import comparisons_of
from rnn_lockstep.reference.check.comparison import Comparison
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, zeros_in_padding
from rnn_lockstep.reference.diagnosis.recover_gradients import GradientAnswer
from rnn_lockstep.reference.diagnosis.suspect import Suspect
from rnn_lockstep.reference.oracle.gradients import Cotangents, gradients
from rnn_lockstep.reference.oracle.validation import Array
from rnn_lockstep.tests.harness.failure import Failure
from rnn_lockstep.tests.harness.features import TRAINING
from rnn_lockstep.tests.harness.known_failures.mistakes import NAMED, NAMED_OF_GRADIENTS

Shown = Mapping[str, Any]  # what an entry says, by the names of `SYMPTOMS`
# Which numbers may be wrong, by the array that was observed and what it should be.
ONLY: Mapping[str, Callable[[Array, Array], Array]] = {
    "NaN": lambda observed, expected: np.isnan(observed),
}
# What an entry may say, and the values that it may have; None for any of its type.
SYMPTOMS: Mapping[str, tuple[type, Any]] = {
    "raises": (list, None),  # one of these is a part of the error's type and message
    "mistake": (str, (*NAMED, *NAMED_OF_GRADIENTS)),  # the answer is what this makes of the case
    "dtype": (str, DTYPES),  # it is right by the bounds of this one
    "only": (str, ONLY),  # all that is wrong is so
    "zeros_in_padding": (bool, (True,)),  # the rest is said of the answer to the case with zeros there
    "drift": (bool, (True,)),  # it is right by the proven bound
    "gradients": (list, None),  # of these arrays alone gradients are wrong
    "states": (list, None),  # these final states may be anything, and a last output, which is one of them
}


def invalid(shows: Shown) -> str:
    """Say what is wrong with what an entry says of its symptom; empty where nothing is."""
    for name, value in shows.items():
        if name not in SYMPTOMS:
            return f"shows {name}; there are {', '.join(SYMPTOMS)}"
        kind, values = SYMPTOMS[name]
        if type(value) is not kind or (values is not None and value not in values):
            return f"{name} cannot be {value!r}"
    return ""


def are_seen(shown: Sequence[Shown], failure: Failure | BaseException) -> bool:
    """Tell whether a failure is the known ones and nothing else.

    shown: what each entry says that has the case; an empty one is satisfied with any failure.
    """
    if not all(shown):
        return bool(shown)
    if isinstance(failure, BaseException):
        said = with_type(failure)
        return any(text in said for each in shown for text in each.get("raises", ()))
    answered = [each for each in shown if "raises" not in each]
    verdict = failure.verdict
    if not answered or not verdict.comparisons or failure.of == TRAINING:
        return False
    if verdict.status == "drift":
        return any("drift" in each for each in answered)
    answered = [each for each in answered if "drift" not in each]
    of_gradients = failure.cotangents is not None
    answered = [each for each in answered if is_of(each, of_gradients)]
    return bool(answered) and (gradients_explained if of_gradients else is_explained)(answered, failure)


def is_of(each: Shown, of_gradients: bool) -> bool:
    """Tell whether what an entry says is about gradients, or else about answers."""
    return (
        "dtype" in each or ("gradients" in each or each.get("mistake") in NAMED_OF_GRADIENTS) == of_gradients
    )


def arithmetic_for(shown: Sequence[Shown], failure: Failure) -> Arithmetic:
    """The arithmetic by which a failure is judged: its backend's, in the narrower dtype if one is said."""
    names = [each["dtype"] for each in shown if "dtype" in each]
    return failure.facts.arithmetic(np.dtype(names[0]) if names else failure.verdict.case.dtype)


def gradients_explained(shown: Sequence[Shown], failure: Failure) -> bool:
    """Tell whether the gradients are what the mistake makes of them, in the arithmetic that is said.

    Those of arrays that are said may be anything: there "U" is that of every cell.
    """
    case, cotangents = failure.verdict.case, failure.cotangents or Cotangents()
    mistakes = [NAMED_OF_GRADIENTS[each["mistake"]] for each in shown if "mistake" in each]
    allowed = {name for each in shown for name in each.get("gradients", ())}
    right = partial(gradients, arithmetic=arithmetic_for(shown, failure))
    expected = mistakes[0].answer(case, cotangents, right) if mistakes else right(case, cotangents)
    answer = GradientAnswer(case, cotangents, failure.answer)
    wrong = [name for name in failure.answer if answer.is_wrong(name, expected[name])]
    return all(name in allowed or name.rpartition(".")[2] in allowed for name in wrong)


def with_zeros(failure: Failure) -> tuple[Case, Trace] | None:
    """The case with zeros in its padding, and the backend's answer to it; None where it has none.

    Where the backend takes no initial state, one of zeros is left out.
    """
    case = zeros_in_padding(failure.verdict.case)
    omitted = replace(case, initial_state=None, initial_cell_state=None)
    for each in (case,) if any(state.any() for state in case.start) else (case, omitted):
        with suppress(Exception):  # whatever it is, it is not what is known
            return each, run(failure.adapter, each)
    return None


def is_explained(shown: Sequence[Shown], failure: Failure) -> bool:
    """Tell whether an answer is what the mistakes make of its case, in the arithmetic that is said."""
    case, answer = failure.verdict.case, failure.answer
    if any("zeros_in_padding" in each for each in shown):
        found = with_zeros(failure)
        if found is None:
            return False
        case, answer = found
    answer, unseen = without_states(shown, case, answer)
    mistakes = [NAMED[name] for name in dict.fromkeys(each["mistake"] for each in shown if "mistake" in each)]
    kinds = [ONLY[each["only"]] for each in shown if "only" in each]
    kinds += [is_rounded_to(each["dtype"]) for each in shown if "dtype" in each]
    suspect = Suspect(case, answer, arithmetic_for(shown, failure))
    outside = (those_hidden if any(m.hides_states for m in mistakes) else those_shown)(suspect, mistakes)
    return bool(outside) and not any(
        (wrong & ~np.any([may_be(each.observed, each.expected) for may_be in kinds], axis=0)).any()
        if kinds
        else wrong.any()
        for each, wrong in outside
        if each.name not in unseen
    )


def is_rounded_to(dtype: str) -> Callable[[Array, Array], Array]:
    """Make the question which numbers are the right ones rounded to a dtype, as copies of them may be."""

    def is_rounded(observed: Array, expected: Array) -> Array:
        with np.errstate(all="ignore"):  # it may overflow
            same: Array = observed == expected.astype(dtype)
        return same

    return is_rounded


def without_states(shown: Sequence[Shown], case: Case, answer: Trace) -> tuple[Trace, set[str]]:
    """An answer without the final states that may be anything, and the names of what is not looked at."""
    unseen = {name for each in shown for name in each.get("states", ())}
    if unseen and not case.return_sequences:
        unseen.add("outputs")
    hidden: dict[str, Any] = dict.fromkeys(unseen - {"outputs"})
    return replace(answer, **hidden), unseen


def those_shown(suspect: Suspect, mistakes: Sequence[Mistake]) -> list[tuple[Comparison, Array]]:
    """Each array beside what the mistakes make of it, and what is wrong, from the states that are shown."""
    if mistakes:
        compared = suspect.comparisons(suspect.from_shown, *mistakes)
    else:  # where copies are exact
        with np.errstate(all="ignore"):
            compared = list(comparisons_of(suspect.case, suspect.trace, suspect.arithmetic))
    return [(each, each.outside) for each in compared]


def those_hidden(suspect: Suspect, mistakes: Sequence[Mistake]) -> list[tuple[Comparison, Array]]:
    """The same where mistakes hide states: by what is carried and, in rows that stay the same, as shown."""
    carried = suspect.comparisons(suspect.carried, *mistakes)
    changed = np.zeros(suspect.case.batch, bool)
    for each, right in zip(carried, suspect.right_carried, strict=True):
        same = (each.expected == right.expected) | (np.isnan(each.expected) & np.isnan(right.expected))
        changed |= by_row(each, ~same).any(axis=tuple(range(1, same.ndim)))
    found = []
    for each, other in zip(suspect.without_mistakes, carried, strict=True):
        outside = each.outside.copy()
        by_row(each, outside)[changed] = False
        found.append((other, outside | other.outside))
    return found


def by_row(compared: Comparison, numbers: Array) -> Array:
    """A view of numbers of an array with the rows of the batch first."""
    is_state = compared.name.startswith("final_")
    return np.moveaxis(numbers, -2, 0) if is_state else numbers
