"""What each step of a trace should be, from the backend's own previous state, and how far off it may be.

Each step is predicted from the observed previous output, so errors do not compound, and the steps of
a block are predicted together. Only the cell state of an LSTM is not observed: it is carried from
step to step with its error, which stays small because c' = f∘c + i∘g is elementwise with 0 < f < 1.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reference.case import Case, Trace
from reference.cells import Weights, lstm_cell_state, lstm_gates, lstm_output
from reference.rounding import Arithmetic, Rounded, choose, stack
from reference.validation import Array

BLOCK = 32_768  # elements predicted at a time, few enough to stay in the processor's cache


class Prediction(NamedTuple):
    """expected, bound: float64 (batch, time, H); the bound is infinite where nothing is known.

    cell_state: an LSTM's after the last step, (batch, H).
    """

    expected: Array
    bound: Array
    cell_state: Rounded | None


def predict(case: Case, trace: Trace, arithmetic: Arithmetic) -> Prediction:
    """Every step, each from the output that `trace` has for the step before."""
    forwards = slice(None, None, -1) if case.reverse else slice(None)
    inputs, outputs, valid = (array[:, forwards] for array in (case.inputs, trace.outputs, case.valid))
    weights = Weights(*(None if w is None else Rounded(w, arithmetic) for w in case.weights))
    expected, bound = np.empty(outputs.shape), np.empty(outputs.shape)
    cell_state = Rounded(case.c0, arithmetic) if case.cell == "lstm" else None
    for start, stop in blocks(case):
        x_t = Rounded(inputs[:, start:stop].reshape(-1, case.input_size), arithmetic)
        before = outputs_before(case.h0, outputs, valid, start, stop)
        h = Rounded(before.reshape(-1, case.hidden_size), arithmetic)
        if cell_state is None:
            step = case.output(x_t, h, weights).closed().reshape(case.batch, -1, case.hidden_size)
        else:
            step, cell_state = lstm_steps(case, x_t, h, weights, cell_state, valid[:, start:stop])
        expected[:, start:stop] = step.value
        bound[:, start:stop] = np.where(np.isfinite(step.value) & (step.error < np.inf), step.error, np.inf)
    expected[~valid], bound[~valid] = 0.0, 0.0  # on padding, exactly zero
    return Prediction(expected[:, forwards], bound[:, forwards], cell_state)


def blocks(case: Case) -> Iterator[tuple[int, int]]:
    """The first step of each block and the first after it; none for an empty batch."""
    steps = max(1, BLOCK // max(1, case.batch * case.hidden_size))
    for start in range(0, case.time if case.batch else 0, steps):
        yield start, min(start + steps, case.time)


def outputs_before(h0: Array, outputs: Array, valid: Array, start: int, stop: int) -> Array:
    """The state one step before each of the steps, (batch, steps, H): h0 after padding in front."""
    first = h0[:, None] if start == 0 else outputs[:, start - 1 : start]
    before = np.concatenate([first, outputs[:, start : stop - 1]], axis=1)
    if valid.all():
        return before
    counted = np.concatenate([np.zeros_like(valid[:, :1]), valid], axis=1)[:, start:stop]
    return np.where(counted[..., None], before, h0[:, None])


def lstm_steps(
    case: Case, x_t: Rounded, h: Rounded, weights: Weights, cell_state: Rounded, valid: Array
) -> tuple[Rounded, Rounded]:
    """An LSTM's outputs (batch, steps, H) and its cell state after them: the gates all at once."""
    i, f, g, o = (
        gate.reshape(case.batch, -1, case.hidden_size)
        for gate in lstm_gates(x_t, h, weights, case.recurrent_activation)
    )
    cell_states = []
    for t in range(i.shape[1]):
        new = lstm_cell_state(i[:, t], f[:, t], g[:, t], cell_state)
        cell_state = choose(valid[:, t, None], new, cell_state)
        cell_states.append(cell_state)
    return lstm_output(o, stack(cell_states, axis=1)).closed(), cell_state
