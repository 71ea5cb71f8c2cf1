"""Limits: what a layer clips between -k and k, and at which k, by its steps."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import CELLS, LSTMS, Mistake, with_other_numbers
from rnn_lockstep.reference.diagnosis.recover_factors import Layers, fitted, short
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, clip
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import PLAINLY
from rnn_lockstep.reference.oracle.trace import Trace

# From a limit above the right one, one step of Newton's method leads to it, if anything is beyond.
STARTS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)

ClippedStep = Callable[[float, Case, Any, State, Weights], State]  # limit, case, x_t, state, weights


def inputs_clipped(limit: float, case: Case, x: Any, state: State, weights: Weights) -> State:
    return case.step(clip(x, limit), state, weights)


def states_clipped(limit: float, case: Case, x: Any, state: State, weights: Weights) -> State:
    h, *more = case.step(x, state, weights)
    return clip(h, limit), *more


def cell_states_clipped(limit: float, case: Case, x: Any, state: State, weights: Weights) -> State:
    gates = case.record.activated(x, state[0], weights, case.options)
    c = clip(next_cell_state(case, gates, state, weights), limit)
    return case.record.output(gates, state[0], c, weights, case.options), c


def sums_clipped(limit: float, case: Case, x: Any, state: State, weights: Weights) -> State:
    """Clip the sums, by their activations, which grow with them, at this limit in place of the case's."""
    gates = list(case.record.activated(x, state[0], weights, case.options._replace(clip=None)))
    names = [case.recurrent_activation] * len(gates)
    names[2 if len(gates) == 4 else -1] = case.activation
    for k, name in enumerate(names):
        low, high = (float(ACTIVATIONS[name](np.float64(end))) for end in (-limit, limit))
        gates[k] = with_other_numbers(gates[k], partial(np.clip, a_min=low, a_max=high))
    if len(state) == 1:
        return (case.record.output(gates, state[0], None, weights, case.options),)
    c = next_cell_state(case, gates, state, weights)
    return case.record.output(gates, state[0], c, weights, case.options), c


def next_cell_state(case: Case, gates: Any, state: State, weights: Weights) -> Any:
    """The next cell state of a cell that has one."""
    assert case.record.next_cell_state is not None
    return case.record.next_cell_state(gates, state[1], weights, case.options)


class Clipped(NamedTuple):
    """What may be clipped.

    says: it in words.  step: with a limit.  cells: that have it.
    """

    says: str
    step: ClippedStep
    cells: tuple[str, ...]


CLIPPED = (
    Clipped("the states are clipped", states_clipped, CELLS),
    Clipped("the cell states are clipped", cell_states_clipped, LSTMS),
    Clipped("the inputs are clipped", inputs_clipped, CELLS),
    Clipped("the sums before the activation are clipped", sums_clipped, ("simple_rnn", "lstm")),
)


def limits(case: Case, trace: Trace) -> Iterator[Mistake]:
    """The mistakes that something is clipped, each with the limit that fits best; the shortest numbers first.

    They may explain nothing.
    """
    found = list[tuple[str, Clipped]]()
    for clipped in CLIPPED:
        if case.cell in clipped.cells:
            numbers = [fitted(case, partial(layers_with, case, trace, clipped.step), k) for k in STARTS]
            texts = dict.fromkeys(text for k in numbers if np.isfinite(k) and k > 0 for text in short(k))
            found += [(text, clipped) for text in texts]
    for text, clipped in sorted(found, key=lambda each: len(each[0])):
        step = partial(with_stored_limit, step=clipped.step, limit=float(text))
        yield Mistake(f"{clipped.says} at {text}", step=step)


def layers_with(case: Case, trace: Trace, step: ClippedStep, limit: float) -> Layers:
    """The layers with something clipped, in float64, each step from the state shown before."""
    clipped = partial(with_limit, case, step=step, limit=limit)
    return from_shown_states(case, trace, PLAINLY).layers(case, clipped)


def with_limit(
    case: Case, t: int, x_t: Any, state: State, weights: Weights, step: ClippedStep, limit: float
) -> State:
    """Take a step with something clipped."""
    return step(limit, case, x_t, state, weights)


def with_stored_limit(
    case: Case, t: int, x_t: Any, state: State, weights: Weights, step: ClippedStep, limit: float
) -> State:
    """The same, at a number of the case's dtype."""
    return step(float(np.asarray(limit, case.dtype)), case, x_t, state, weights)
