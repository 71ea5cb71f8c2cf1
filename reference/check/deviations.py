"""Deviations: the arrays of an answer beside what they should be, with the typical error of each element."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.bound.typical import Errors, Typical
from rnn_lockstep.reference.check.answers import arrays_beside
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.shown import PLAINLY, Reading
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

TIMES = 16  # that a case is computed over with errors drawn at random
NO_ERROR = dict.fromkeys(ACTIVATIONS, FunctionError(0.0))


class Deviations(NamedTuple):
    """An array of an answer beside what it should be: outputs (batch, time, H) or a state (batch, H).

    deviation: observed - expected.  sigma: the typical error.  Where nothing is told they are 0 and infinite.
    of_functions: the part of σ that is the functions' own, of outputs that are not carried.
    one_step: outputs of a direction, predicted step by step from states and inputs that are shown.
    """

    name: str
    deviation: Array
    sigma: Array
    of_functions: Array
    one_step: bool = False


def as_typical(arithmetic: Arithmetic, errors: Errors | None = None) -> Reading:
    """The ways to take an array as one that carries the typical error of a backend with this arithmetic.

    errors: where they are given, the array has errors drawn at random instead.
    """

    def exact(array: Array) -> Any:
        return array if isinstance(array, Typical) else Typical(array, arithmetic, errors=errors)

    def kept(state: Array) -> Any:
        sigma = arithmetic.kept_error(np.asarray(state, np.float64)) / 3**0.5
        return Typical(state, arithmetic, sigma, errors=errors)

    return Reading(exact, kept, kept)


def deviations(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Deviations]:
    """The deviations of each direction whose outputs and inputs are shown, and of its final cell state."""
    sums_only = replace(arithmetic, functions=NO_ERROR)
    whole, of_sums = (arrays_beside(case, trace, as_typical(each)) for each in (arithmetic, sums_only))
    for each, other in zip(whole, of_sums, strict=True):
        if isinstance(each.expected, Typical) and not each.carried:
            expected, of_sum = each.expected.closed(), other.expected.closed()
            functions = np.sqrt(np.maximum(np.square(expected.sigma) - np.square(of_sum.sigma), 0.0))
            some = told(case, each.observed, expected.value, arithmetic)
            sigma = np.where(some & (expected.sigma > 0), expected.sigma, np.inf)
            deviation = np.where(some, each.observed.astype(np.float64) - expected.value, 0.0)
            yield Deviations(each.name, deviation, sigma, np.where(some, functions, 0.0), each.one_step)


def carried_deviations(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Deviations]:
    """The deviations of everything else; σ is the root mean square of what errors at random lead to.

    There are none where a sum overflows on the way: what comes of that has no typical error.
    """
    expected = [each for each in arrays_beside(case, trace, PLAINLY) if each.carried]
    if not expected:
        return
    squares: list[Any] = [0.0] * len(expected)
    for seed in range(TIMES):
        errors = Errors(seed)
        with_errors = arrays_beside(case, trace, as_typical(arithmetic, errors))
        carried = (each for each in with_errors if each.carried)
        for k, (each, right) in enumerate(zip(carried, expected, strict=True)):
            squares[k] = squares[k] + np.square(each.expected.closed().value - right.expected)
        if errors.overflow:
            return
    for right, square in zip(expected, squares, strict=True):
        some = told(case, right.observed, right.expected, arithmetic)
        sigma = np.where(some & (square > 0), np.sqrt(square / TIMES), np.inf)
        deviation = np.where(some, right.observed.astype(np.float64) - right.expected, 0.0)
        yield Deviations(right.name, deviation, sigma, np.zeros(sigma.shape))


def told(case: Case, observed: Array, expected: Array, arithmetic: Arithmetic) -> Array:
    """Tell of which elements the model holds: not of padding, nor of what is not normal or overflows."""
    some = case.valid[..., None] if expected.ndim == 3 else case.valid.any(axis=1, keepdims=True)
    size = np.abs(expected)
    normal = (size > arithmetic.smallest_normal) & (size < arithmetic.largest)
    return np.asarray(some & normal & np.isfinite(observed))
