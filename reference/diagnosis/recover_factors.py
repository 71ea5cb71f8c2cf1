"""Factors: weights that a layer has in effect a multiple of, recovered from its steps.

Newton's method on the factor k of an array, by least squares over all shown outputs: their deviations are
projected on the derivative by k (Björck, Numerical Methods for Least Squares Problems, 1996, section 9.2).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.reference.check.in_words import factor
from rnn_lockstep.reference.check.small_errors import in_float64
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
ARRAYS = ("W", "U", "b", "recurrent_b")
Layers = Iterable[list[Any]]  # the runs of each layer
RunsWith = Callable[[float], Layers]


def factors(case: Case, trace: Trace) -> Iterator[Mistake]:
    """The mistakes that an array is a multiple of the given one, as a whole or the rows of a gate.

    Each has the factor that fits best, and may explain nothing. Those of 1 are left out.
    """
    size, gates = case.hidden_size, case.record.gates
    for name in (name for name in ARRAYS if getattr(case, name) is not None):
        parts = {"": slice(None)}
        if len(gates) > 1:
            parts |= {f" of gate {g}": slice(k * size, (k + 1) * size) for k, g in enumerate(gates)}
        for words, rows in parts.items():
            times = fitted(case, partial(layers_with, case, trace, name, rows))
            if np.isfinite(times) and abs(times - 1) > STEP:
                change = partial(scaled, name=name, rows=rows, factor=times)
                yield Mistake(f"{name}{words} is {factor(times)} times yours", change)


def layers_with(case: Case, trace: Trace, name: str, rows: slice, factor: float) -> Layers:
    """The layers with rows of one array times a factor, in float64, each step from the state shown before."""
    weights = [times(w, name, rows, factor) for w in in_float64(case)]
    return from_shown_states(case, trace, PLAINLY).layers(case, weights=weights)


def scaled(case: Case, weights: Weights, name: str, rows: slice, factor: float) -> Weights:
    """The weights of one cell of a case, with rows of one array times a factor."""
    return times(weights, name, rows, factor)


def times(weights: Weights, name: str, rows: slice, factor: float) -> Weights:
    """The weights with rows of one array times a factor, in its dtype."""
    array = getattr(weights, name)
    if array is None:
        return weights
    wide = array.astype(np.float64)
    wide[rows] *= factor
    return weights._replace(**{name: wide.astype(array.dtype)})


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
