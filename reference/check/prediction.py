"""What every array of a trace should be, and how far off it may be.

Where a cell's outputs are observed, each step is predicted from the observed output one step before:
errors do not compound, and the steps of a block are predicted together. Only the cell state of an LSTM
is not observed then: it is carried from step to step with its error, which stays small because
c' = f∘c + i∘g is elementwise with 0 < f < 1.

Where they are not (the lower layers of a stack that shows its last one only, two directions that were
added up, a layer that returns its last output only) the whole state is carried with its error from
step to step, and from layer to layer. That error grows with the number of steps.

Every bound here is what `reference.bound.rounding` makes of the cells' own lines, beside the value that it
bounds (running error analysis: Higham 2002, section 3.3). Predicted steps start from what is observed,
which is exact, but for a half type's state that was kept in float32: see `Arithmetic.carried`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded, where
from rnn_lockstep.reference.check.comparison import Comparison, comparison
from rnn_lockstep.reference.oracle.case import Case, Pass
from rnn_lockstep.reference.oracle.cells import Weights, lstm_cell_state, lstm_gates, lstm_output
from rnn_lockstep.reference.oracle.layer import State
from rnn_lockstep.reference.oracle.stack import merge, run_cell
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

BLOCK = 32_768  # elements predicted at a time, few enough to stay in the processor's cache
STATES = ("final_state", "final_cell_state")


class Walk(NamedTuple):
    """One cell's way through time, as it should be.

    outputs (batch, time, H) and the final state; what the trace has in the place of the outputs, or None.
    """

    direction: Pass
    outputs: Rounded
    final: State
    observed: Array | None = None


def predict(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Comparison]:
    """Every array of `trace` beside what it should be, in the order in which they are computed."""
    inputs = Rounded(case.inputs, arithmetic)
    counts: Any = case.valid[..., None]
    merged: Any = None
    cell = 0
    for k, layer in enumerate(case.passes):
        observed = observed_outputs(case, trace, k)
        walks = walked(case, layer, inputs, observed, arithmetic)
        if walks[0].observed is None:
            merged = np.where(counts, merge(case, [walk.outputs for walk in walks]), 0)
            if observed is not None:
                name = f"layer {k} outputs" if case.layers > 1 else "outputs"
                yield comparison(name, observed, merged, bounded=case.bounded)
        for walk in walks:
            yield from of_walk(case, walk, state_of(trace, cell))
            cell += 1
        inputs = merged if observed is None else as_observed(observed, arithmetic)
    if not case.return_sequences:
        yield last_output(case, trace, [walk.final[0] for walk in walks], arithmetic)


def observed_outputs(case: Case, trace: Trace, layer: int) -> Array | None:
    """What the trace shows of a layer's outputs, if it does."""
    if layer == case.layers - 1:
        return trace.outputs if case.return_sequences else None
    return trace.hidden_outputs[layer] if trace.hidden_outputs else None


def walked(
    case: Case, layer: tuple[Pass, ...], inputs: Rounded, observed: Array | None, arithmetic: Arithmetic
) -> list[Walk]:
    """The directions of a layer: step by step where their outputs can be told apart."""
    if observed is None or case.merge_mode not in (None, "concat"):
        return [carried(case, direction, inputs, arithmetic) for direction in layer]
    parts = np.split(observed, case.directions, axis=-1)
    return [
        step_by_step(case, direction, inputs, part, arithmetic)
        for direction, part in zip(layer, parts, strict=True)
    ]


def of_walk(case: Case, walk: Walk, state: State) -> Iterator[Comparison]:
    """A cell's outputs, if they are observed, and its final `state`, beside what they should be."""
    name, _, _, reverse = walk.direction
    if walk.observed is not None:
        yield comparison(
            name, walk.observed, walk.outputs, bounded=case.bounded, reverse=reverse, one_step=True
        )
    for part, observed, expected in zip(STATES, state, walk.final, strict=False):
        bounded = case.bounded and part == "final_state"
        yield comparison(f"{name} {part}".strip(), observed, expected, bounded=bounded)


def state_of(trace: Trace, cell: int) -> State:
    """The final state of one cell, (h,) or (h, c)."""
    return tuple(state if state.ndim == 2 else state[cell] for state in trace.states)


def last_output(case: Case, trace: Trace, expected: Sequence[Any], arithmetic: Arithmetic) -> Comparison:
    """The last output: the final states of the last layer, merged, and zeros for a row without steps.

    expected: what these states should be, for where they are not observed.
    """
    some: Any = case.valid.any(axis=1, keepdims=True)
    rounds = case.merge_mode not in (None, "concat")
    parts = list(expected)
    if trace.final_state is not None:
        states = trace.final_state.reshape(case.cells_shape)[-case.directions :]
        parts = [as_observed(state, arithmetic) if rounds else Rounded(state, arithmetic) for state in states]
    merged = np.where(some, merge(case, parts), 0)
    return comparison("outputs", trace.outputs, merged, bounded=case.bounded)


def carried(case: Case, direction: Pass, inputs: Rounded, arithmetic: Arithmetic) -> Walk:
    """A cell whose outputs are not observed: its state is carried with its error.

    It starts from the initial state, which is exact. An error e of h is |U|·e in the next step's sum.
    """
    start = tuple(Rounded(state, arithmetic) for state in direction.start)
    exact = direction._replace(weights=rounded(direction.weights, arithmetic), start=start)
    return Walk(direction, *run_cell(case, exact, inputs))


def as_observed(state: Array, arithmetic: Arithmetic) -> Rounded:
    """What a backend goes on with, of which it has shown a rounded copy."""
    return Rounded(state, arithmetic, arithmetic.carried(np.asarray(state, np.float64)))


def rounded(weights: Weights, arithmetic: Arithmetic) -> Weights:
    return Weights(*(None if w is None else Rounded(w, arithmetic) for w in weights))


def step_by_step(
    case: Case, direction: Pass, inputs: Rounded, observed: Array, arithmetic: Arithmetic
) -> Walk:
    """A cell whose outputs are observed: every step from the one before.

    The bound is that of one step from an exact state: a backend that holds it at each of them is right.
    """
    forwards = slice(None, None, -1) if direction.reverse else slice(None)
    inputs, outputs, valid = inputs[:, forwards], observed[:, forwards], case.valid[:, forwards]
    weights = rounded(direction.weights, arithmetic)
    h0, *c0 = direction.start
    states = states_before(h0, outputs, valid)
    cell_state = Rounded(c0[0], arithmetic) if c0 else None
    expected, bound = np.empty(outputs.shape), np.empty(outputs.shape)
    for start, stop in blocks(case):
        x_t = inputs[:, start:stop].reshape(-1, inputs.shape[-1])
        h = as_observed(states[:, start:stop].reshape(-1, case.hidden_size), arithmetic)
        if cell_state is None:
            step = case.output(x_t, h, weights).closed().reshape(case.batch, -1, case.hidden_size)
        else:
            step, cell_state = lstm_steps(case, x_t, h, weights, cell_state, valid[:, start:stop])
        expected[:, start:stop], bound[:, start:stop] = step.value, step.error
    expected[~valid], bound[~valid] = 0.0, 0.0  # on padding, exactly zero
    final = (states[:, -1], *([] if cell_state is None else [cell_state]))
    return Walk(direction, Rounded(expected[:, forwards], arithmetic, bound[:, forwards]), final, observed)


def blocks(case: Case) -> Iterator[tuple[int, int]]:
    """The first step of each block and the first after it; none for an empty batch."""
    steps = max(1, BLOCK // max(1, case.batch * case.hidden_size))
    for start in range(0, case.time if case.batch else 0, steps):
        yield start, min(start + steps, case.time)


def states_before(h0: Array, outputs: Array, valid: Array) -> Array:
    """The state before each step and, last, the final one, (batch, time + 1, H).

    That is the output of the last step before that counts, or the initial state.
    """
    states = np.concatenate([h0[:, None], outputs], axis=1)
    if valid.all():
        return states
    counted = np.where(valid, np.arange(1, valid.shape[1] + 1), 0)
    last = np.maximum.accumulate(np.pad(counted, ((0, 0), (1, 0))), axis=1)
    return np.take_along_axis(states, last[..., None], axis=1)


def lstm_steps(
    case: Case, x_t: Rounded, h: Rounded, weights: Weights, cell_state: Rounded, valid: Array
) -> tuple[Rounded, Rounded]:
    """An LSTM's outputs (batch, steps, H) and its cell state after them: the gates all at once.

    The error of c is carried: c' = f∘c + i∘g takes over f·error and adds that of this step alone.
    """
    i, f, g, o = (
        gate.reshape(case.batch, -1, case.hidden_size)
        for gate in lstm_gates(x_t, h, weights, case.recurrent_activation)
    )
    cell_states: Any = np.empty_like(cell_state, shape=i.shape)
    for t in range(i.shape[1]):
        new = lstm_cell_state(i[:, t], f[:, t], g[:, t], cell_state)
        cell_states[:, t] = where(cell_state, valid[:, t, None], new, cell_state)
        cell_state = cell_states[:, t]
    return lstm_output(o, cell_states).closed(), cell_state
