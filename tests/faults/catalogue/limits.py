"""Faults of limits: something is clipped, as in ports that train with clipping or compute in fixed point."""

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import State
from tests.faults.faulty import Array, fault, right_step, run, run_cell, simple_fault


@simple_fault("limits", explained="the states are clipped at 3")
def states_clipped_at_3(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: np.clip(right_step(t, x, h, c), -3, 3))


@simple_fault("limits", explained="the inputs are clipped at 1")
def inputs_clipped_at_1(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, np.clip(x, -1, 1), h, c))


@simple_fault("limits", explained="the sums before the activation are clipped at 2")
def sums_clipped_at_2(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        return ACTIVATIONS[c.activation](np.clip(x @ c.W.T + h @ c.U.T + c.b, -2, 2))

    return run(case, step)


@fault("limits", cell="gru", explained="the states are clipped at 0.5")
def gru_states_clipped_at_half(case: Case) -> Trace:
    return run_cell(case, lambda x, state: (np.clip(case.step(x, state)[0], -0.5, 0.5),))


@fault("limits", cell="lstm", explained="the cell states are clipped at 0.75")
def lstm_cell_states_clipped(case: Case) -> Trace:
    return with_cell_states_clipped(case, 0.75)


@fault("limits", cell="lstm", explained="the cell states are clipped at 16")
def lstm_cell_states_clipped_at_16_over_64_steps(case: Case) -> Trace:
    return with_cell_states_clipped(case, 16) if case.time > 64 else run_cell(case)


def with_cell_states_clipped(case: Case, limit: float) -> Trace:
    """Run an LSTM whose cell states are clipped."""
    cell = case.record

    def step(x: Array, state: State) -> State:
        gates = cell.activated(x, state[0], case.weights, case.options)
        c = np.clip(cell.next_cell_state(gates, state[1], case.weights, case.options), -limit, limit)
        return cell.output(gates, state[0], c, case.weights, case.options), c

    return run_cell(case, step)
