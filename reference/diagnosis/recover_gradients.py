"""Gradients that are not the right ones, and yet stand in a simple relation to them."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, Arithmetic, narrower_dtypes
from rnn_lockstep.reference.check.comparison import comparison_with_mistake
from rnn_lockstep.reference.check.in_words import factor
from rnn_lockstep.reference.diagnosis.probe import are_siblings
from rnn_lockstep.reference.diagnosis.suspect import ALIKE
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.gradients import Cotangents
from rnn_lockstep.reference.oracle.validation import Array

MOST, LEAST = 8.0, 1 / 32  # units of a narrower dtype that most gradients rounded to it are off by
FEWEST = 24  # elements that tell it
Right = Mapping[str, Any]  # the right gradients by name, as `Rounded` arrays


class GradientAnswer(NamedTuple):
    """A case and cotangents that were asked, and the gradients that a backend answered.

    They have the form that `reference.check_gradients` takes them in.
    """

    case: Case
    cotangents: Cotangents
    gradients: Mapping[str, Array]

    def is_explained_by(self, found: Right) -> bool:
        """Tell whether these gradients explain all of the answer."""
        return not any(self.is_wrong(name, found[name]) for name in self.gradients)

    def is_wrong(self, name: str, found: Any) -> bool:
        """Tell whether the gradient of an array is not this one."""
        compared = comparison_with_mistake(name, self.gradients[name], found, False)
        return bool(compared.outside.any())


def of_right_gradients(answers: Sequence[GradientAnswer], right: Sequence[Right], own: Arithmetic) -> str:
    """Say which relation all answers have to the right gradients, in words; empty where none is known.

    own: the arithmetic of the backend.
    """
    pairs = list(zip(answers, right, strict=True))
    wrong = [name for name in answers[0].gradients if any(a.is_wrong(name, g[name]) for a, g in pairs)]
    together = [factor_of(a, g, list(g)) for a, g in pairs]
    if all(a.is_explained_by(multiplied(g, k, list(g))) for (a, g), k in zip(pairs, together, strict=True)):
        by = " or ".join(dict.fromkeys(factor(k) for k in together))
        return f"all gradients are {by} times what they should be"
    scaled = {name: factor_of(*pairs[0], [name]) for name in wrong}  # which must fit all answers
    if all(not a.is_wrong(name, scaled[name] * g[name]) for a, g in pairs for name in wrong):
        by = ", ".join(f"that of {name} is {factor(k)} times what it should be" for name, k in scaled.items())
        return f"only the gradients of {', '.join(wrong)} are wrong: {by}"
    full = pairs[1:]  # the first one's case is small, and much in it may be exact
    everything = full and all(a.is_wrong(name, g[name]) for a, g in full for name in a.gradients)
    if any(
        are_siblings(a.case, b.case) and off_alike((a, g), (b, h)) for (a, g), (b, h) in combinations(full, 2)
    ):
        return ""  # what is rounded is off otherwise in nearly the same case
    for dtype in narrower_dtypes(own.dtype.name) if everything else ():
        if all(are_rounded(a, g, dtype) for a, g in full):
            return f"gradients are only as exact as {dtype}: perhaps something is computed in it"
    return ""


def multiplied(right: Right, factor: float, names: Sequence[str]) -> dict[str, Any]:
    """The gradients, those of these names times a factor."""
    return {name: factor * g if name in names else g for name, g in right.items()}


def factor_of(answer: GradientAnswer, right: Right, names: Sequence[str]) -> float:
    """The factor by which gradients are nearest to the right ones, by least squares; 1 where all are zero."""
    pairs = [
        (answer.gradients[n].astype(np.float64), right[n].closed().value)
        for n in names
        if n in answer.gradients
    ]
    size = sum(float(np.sum(np.square(g))) for _, g in pairs)
    return sum(float(np.sum(found * g)) for found, g in pairs) / size if size else 1.0


def deviations(answer: GradientAnswer, right: Right) -> tuple[Array, Array]:
    """The right gradients and how far those of an answer are off, all arrays in one."""
    pairs = [(answer.gradients[name], right[name].closed().value) for name in answer.gradients]
    value = np.concatenate([g.ravel() for _, g in pairs])
    return value, np.concatenate([found.astype(np.float64).ravel() for found, _ in pairs]) - value


def off_alike(first: tuple[GradientAnswer, Right], second: tuple[GradientAnswer, Right]) -> bool:
    """Tell whether two answers are off by the same amounts in the same places."""
    (_, a), (_, b) = deviations(*first), deviations(*second)
    with np.errstate(all="ignore"):
        return bool(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)) > ALIKE)


def are_rounded(answer: GradientAnswer, right: Right, dtype: str) -> bool:
    """Tell whether gradients are off as if they had been rounded to a dtype: nearly all, to either side."""
    value, off = deviations(answer, right)
    off, value = off[value != 0], value[value != 0]
    if len(off) < FEWEST or not np.isfinite(off).all():
        return False
    relative = np.sort(np.abs(off / value)) * 2.0 ** FORMATS[dtype].bits  # in units of the roundoff
    most, least = relative[int(0.95 * len(off))], relative[int(0.1 * len(off))]
    one_way = abs(float(np.mean(np.sign(off) * np.sign(value)))) > 0.3 + 2 / len(off) ** 0.5
    return bool(most < MOST and least > LEAST and not one_way)
