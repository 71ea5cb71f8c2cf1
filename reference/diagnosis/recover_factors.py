"""Factors and offsets: a number by which a layer multiplies its weights, or adds it, by its steps.

Newton's method on that number k, by least squares over all shown outputs: their deviations are
projected on the derivative by k (Björck, Numerical Methods for Least Squares Problems, 1996, section 9.2).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.check.in_words import factor
from rnn_lockstep.reference.check.small_errors import gates_of, in_float64, rows_of
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import PLAINLY
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

ROUNDS = 8
STEP = 2.0**-20  # of the derivative by a factor
DIGITS = (1, 2, 3, 4, 12)  # what a person has written is a short number
NEAR = 0.01  # of itself, to which a fitted number is known
ARRAYS = ("W", "U", "b", "recurrent_b", "peepholes")
Layers = Iterable[list[Any]]  # the runs of each layer
Function = Callable[[Array, float], Array]
RunsWith = Callable[[float], Layers]


def factors(case: Case, trace: Trace) -> Iterator[Mistake]:
    """The mistakes that an array is a multiple of the given one, as a whole or the rows of a gate.

    Each has the factor that fits best, and may explain nothing. Those of 1 are left out.
    """
    for name in (name for name in ARRAYS if getattr(case, name) is not None):
        for change, number in changes(case, trace, name, times, 1.0):
            yield change(number, f"{factor(number)} times yours")


def offsets(case: Case, trace: Trace) -> Iterator[Mistake]:
    """The mistakes that the same number is added to a bias, as a whole or the rows of a gate.

    A bias that is not given counts as zeros. recurrent_b is another one in a GRU's candidate only.
    Each has the number that fits best, and may explain nothing. Those of 0 are left out.
    """
    for name in ("b", "recurrent_b")[: 2 if case.cell == "gru" else 1]:
        for change, number in changes(case, trace, name, plus, 0.0):
            for text in short(abs(number)):
                sign = "+" if number > 0 else "-"
                yield change(float(f"{sign}{text}"), f"yours {sign} {text}")


def changes(
    case: Case, trace: Trace, name: str, function: Function, start: float
) -> Iterator[tuple[Callable[[float, str], Mistake], float]]:
    """The changes of an array as a whole or of a gate's rows, each beside the number that fits best.

    A change makes the mistake of a number and its words. start: the number that changes nothing, left out.
    """
    parts, gates = {"": slice(None)}, gates_of(case, name)
    if len(gates) > 1:
        parts |= {f" of gate {gate}": rows_of(case, name, gate) for gate in gates}
    for words, rows in parts.items():
        change = Change(name, rows, function)
        number = fitted(case, partial(layers_with, case, trace, change), start)
        if np.isfinite(number) and abs(number - start) > STEP:
            yield partial(mistake_of, change, f"{name}{words}"), number


class Change(NamedTuple):
    """A change of rows of an array by a number. function: (rows in float64, number) -> other rows."""

    name: str
    rows: slice
    function: Function

    def made(self, weights: Weights, number: float) -> Weights:
        """The weights with the change made, in their dtype."""
        array = getattr(weights, self.name)
        if array is None:
            array = np.zeros(len(weights.W), weights.W.dtype)
        wide = array.astype(np.float64)
        wide[self.rows] = self.function(wide[self.rows], number)
        return weights._replace(**{self.name: wide.astype(array.dtype)})


def times(rows: Array, number: float) -> Array:
    return number * rows


def plus(rows: Array, number: float) -> Array:
    return rows + number


def mistake_of(change: Change, what: str, number: float, says: str) -> Mistake:
    """The mistake of making a change with a number."""
    return Mistake(f"{what} is {says}", lambda case, weights: change.made(weights, number))


def layers_with(case: Case, trace: Trace, change: Change, number: float) -> Layers:
    """The layers with a change made by a number, in float64, each step from the state shown before."""
    weights = [change.made(w, number) for w in in_float64(case)]
    return from_shown_states(case, trace, PLAINLY).layers(case, weights=weights)


def short(number: float) -> list[str]:
    """The short numbers that a fitted number may stand for, the shortest first."""
    texts = dict.fromkeys(f"{number:.{digits}g}" for digits in DIGITS)
    return [text for text in texts if abs(float(text) - number) <= NEAR * abs(number)]


def fitted(case: Case, runs_with: RunsWith, start: float = 1.0) -> float:
    """The number with which the steps fit best.

    runs_with: the layers as a number makes them.  start: the number that changes nothing.
    """
    number = start
    for _ in range(ROUNDS):
        need_time()
        with np.errstate(all="ignore"):
            off, slope = deviation_and_slope(case, runs_with, number)
            size = float(np.sum(np.square(slope)))
            step = float(np.sum(off * slope)) / size if size else np.nan
        number += step
        if not np.isfinite(number) or abs(step) < 1e-15:
            break
    return number


def deviation_and_slope(case: Case, runs_with: RunsWith, number: float) -> tuple[Array, Array]:
    """What the outputs are off by with a number, and the derivative of the expected ones by it, flat."""
    runs, others = (
        [run for layer in runs_with(k) for run in layer if run.observed is not None]
        for k in (number, number + STEP)
    )
    valid = np.broadcast_to(case.valid[..., None], (case.batch, case.time, case.output_size))
    off = [(run.observed - run.outputs)[valid] for run in runs]
    slopes = [((b.outputs - a.outputs) / STEP)[valid] for a, b in zip(runs, others, strict=True)]
    return np.concatenate([np.zeros(0), *off]), np.concatenate([np.zeros(0), *slopes])
