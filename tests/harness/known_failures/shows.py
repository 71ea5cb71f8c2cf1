"""What a failure shows, found for the draft of an entry: the first of the symptoms that it is seen to be."""

import re
from collections.abc import Iterator

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import narrower_dtypes
from rnn_lockstep.reference.check.forms import STATES
from rnn_lockstep.tests.harness.failure import Crash, Drifted, Failure
from rnn_lockstep.tests.harness.known_failures.mistakes import NAMED, NAMED_OF_GRADIENTS
from rnn_lockstep.tests.harness.known_failures.symptoms import ONLY, Shown, are_seen

LEAST = 12  # letters of an error that tell it from another
NAMES = {mistake.description: name for name, mistake in NAMED.items()} | {
    mistake.description: name for name, mistake in NAMED_OF_GRADIENTS.items()
}


def shown_by(failure: Failure) -> Shown:
    """What an entry may say of a failure, so that it excuses little else; empty where nothing fits."""
    if isinstance(failure, Crash):
        return {"raises": [words_of(failure.verdict.reason.removeprefix("raised "))]}
    if isinstance(failure, Drifted):
        return {"drift": True}
    return next((each for each in possible(failure) if are_seen([each], failure)), {})


def words_of(error: str) -> str:
    """The longest part of an error without numbers, which are of one case; all of it where that is short."""
    words = max(re.split(r"\d+", error), key=len).strip()
    return words if len(words) >= LEAST else error


def possible(failure: Failure) -> Iterator[Shown]:
    """What might be said of a wrong answer, or of wrong gradients, the narrowest first."""
    diagnosis = failure.examination and failure.examination.diagnosis
    for explanation in diagnosis.explanations if diagnosis else ():
        if explanation.says in NAMES:
            yield {"mistake": NAMES[explanation.says]}
    if failure.cotangents is not None:
        yield {"gradients": sorted(wrong_arrays(failure))}
    else:
        yield from ({"only": name} for name in ONLY)
        if failure.verdict.case.padded:
            yield {"zeros_in_padding": True}
        yield {"states": sorted(wrong_arrays(failure).intersection(STATES))}
    yield from ({"dtype": name} for name in narrower_dtypes(failure.verdict.case.dtype.name))


def wrong_arrays(failure: Failure) -> set[str]:
    """The names of the arrays that are wrong in an answer, or in gradients."""
    names = {each.name for each in failure.verdict.comparisons if np.any(each.outside)}
    return {name.removeprefix("gradient of ") for name in names}
