"""Symptoms of known failures: how a wrong answer looks that is the known one, and not another within its case.

A defect that is known is made by the oracle, and the answer judged by the same bounds: what else is wrong with
it stays a failure. Where several entries have a case, their defects are made together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.reference import Case, Trace, check_gradients
from rnn_lockstep.reference.bound.arithmetic import DTYPES, Arithmetic
from rnn_lockstep.reference.diagnosis.mistakes.mistake import zeros_in_padding
from rnn_lockstep.reference.diagnosis.suspect import Suspect
from rnn_lockstep.tests.harness.failure import Failure
from rnn_lockstep.tests.harness.features import TRAINING
from rnn_lockstep.tests.harness.known_failures.mistakes import NAMED

Shown = Mapping[str, Any]  # what an entry says, by the names of `SYMPTOMS`
# What an entry may say, and the values that it may have; None for any of its type.
SYMPTOMS: Mapping[str, tuple[type, Any]] = {
    "raises": (str, None),  # a part of the error's type and message
    "mistake": (str, NAMED),  # the answer is what this makes of the case
    "dtype": (str, DTYPES),  # it is right by the bounds of this one
    "only_nan": (bool, (True,)),  # all that is wrong is NaN
    "zeros_in_padding": (bool, (True,)),  # the rest is said of the answer to the case with zeros there
    "drift": (bool, (True,)),  # it is right by the proven bound
    "gradients": (list, None),  # of these arrays alone gradients are wrong
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
        return any(each["raises"] in with_type(failure) for each in shown if "raises" in each)
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
    return "dtype" in each or ("gradients" in each) == of_gradients


def arithmetic_for(shown: Sequence[Shown], failure: Failure) -> Arithmetic:
    """The arithmetic by which a failure is judged: that of its backend, in the narrower dtype if one is said."""
    names = [each["dtype"] for each in shown if "dtype" in each]
    return failure.facts.arithmetic(np.dtype(names[0]) if names else failure.verdict.case.dtype)


def gradients_explained(shown: Sequence[Shown], failure: Failure) -> bool:
    """Tell whether the gradients are right in the arithmetic that is said, but for those that are said."""
    case: Case = failure.verdict.case
    arrays = {name for each in shown for name in each.get("gradients", ())}
    verdict = check_gradients(case, failure.cotangents, failure.answer, arithmetic_for(shown, failure))
    wrong = [each.name for each in verdict.comparisons if each.outside.any()]
    return all(name.removeprefix("gradient of ").rpartition(".")[2] in arrays for name in wrong)


def answer_of(failure: Failure, case: Case) -> Trace | None:
    """The backend's answer to another case; None where it has none."""
    try:
        return run(failure.adapter, case)
    except Exception:  # whatever it is, it is not what is known
        return None


def is_explained(shown: Sequence[Shown], failure: Failure) -> bool:
    """Tell whether an answer is what the mistakes make of its case, in the arithmetic that is said."""
    case, answer = failure.verdict.case, failure.answer
    if any("zeros_in_padding" in each for each in shown):
        case = zeros_in_padding(case)
        answer = answer_of(failure, case)
        if answer is None:
            return False
    names = dict.fromkeys(each["mistake"] for each in shown if "mistake" in each)
    suspect = Suspect(case, answer, arithmetic_for(shown, failure))
    if any("only_nan" in each for each in shown):
        compared = suspect.comparisons(suspect.from_shown, *map(NAMED.__getitem__, names))
        return bool(compared) and all(np.isnan(each.observed[each.outside]).all() for each in compared)
    return suspect.is_explained_by(*map(NAMED.__getitem__, names))
