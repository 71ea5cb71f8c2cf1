"""Faults of a GRU, most of them made by real ports between frameworks."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from reference import cells
from reference.cells import recurrent_rows, sigmoid
from tests.faults.faulty import Array, fault, run_cell, to_bits


def reordered(array: Array, order: list[int]) -> Array:
    """The array's equal parts, one for each gate, in another order."""
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])


def with_gates(case: Case, order: list[int]) -> Case:
    """The case with the gates of all its weights in another order."""
    weights = case.weights._asdict().items()
    return replace(case, **{name: reordered(w, order) for name, w in weights if w is not None})


def pieces(case: Case, x: Array, h: Array) -> tuple[Array, Array, Array, Array]:
    """r, z and the two parts of the candidate, of a GRU with reset_after."""
    x_r, x_z, x_n = cells.gates(cells.input_sum(x, case.weights), 3)
    h_r, h_z, h_n = cells.gates(cells.recurrent_sum(h, case.weights), 3)
    return sigmoid(x_r + h_r), sigmoid(x_z + h_z), x_n, h_n


@fault("gru gates", cell="gru")
def gru_gates_in_keras_order(case: Case) -> Trace:
    return run_cell(with_gates(case, [1, 0, 2]))


@fault("gru gates", cell="gru")
def gru_gates_reversed(case: Case) -> Trace:
    return run_cell(with_gates(case, [2, 1, 0]))


@fault("gru gates", cell="gru")
def gru_reset_form_flipped(case: Case) -> Trace:
    return run_cell(replace(case, reset_after=not case.reset_after))


@fault("gru gates", cell="gru")
def gru_hidden_bias_summed_into_the_input_bias(case: Case) -> Trace:
    if case.recurrent_b is None:
        return run_cell(case)
    b = case.recurrent_b if case.b is None else case.b + case.recurrent_b
    return run_cell(replace(case, b=b, recurrent_b=None))


@fault("gru gates", cell="gru")
def gru_hidden_bias_of_the_candidate_dropped(case: Case) -> Trace:
    if case.recurrent_b is None:
        return run_cell(case)
    b = case.recurrent_b.copy()
    b[2 * case.hidden_size :] = 0
    return run_cell(replace(case, recurrent_b=b))


@fault("gru gates", cell="gru")
def gru_update_gate_inverted(case: Case) -> Trace:
    if not case.reset_after:
        return run_cell(case)

    def step(x: Array, state: tuple[Array]) -> tuple[Array]:
        r, z, x_n, h_n = pieces(case, x, state[0])
        n = np.tanh(x_n + r * h_n)
        return (z * n + (1 - z) * state[0],)

    return run_cell(case, step)


@fault("gru gates", cell="gru")
def gru_reset_gate_ignored(case: Case) -> Trace:
    if not case.reset_after:
        return run_cell(case)

    def step(x: Array, state: tuple[Array]) -> tuple[Array]:
        _, z, x_n, h_n = pieces(case, x, state[0])
        return ((1 - z) * np.tanh(x_n + h_n) + z * state[0],)

    return run_cell(case, step)


@fault("gru gates", cell="gru")
def gru_reset_gate_on_the_input_too(case: Case) -> Trace:
    if not case.reset_after:
        return run_cell(case)

    def step(x: Array, state: tuple[Array]) -> tuple[Array]:
        r, z, x_n, h_n = pieces(case, x, state[0])
        return ((1 - z) * np.tanh(r * (x_n + h_n)) + z * state[0],)

    return run_cell(case, step)


@fault("gru gates", cell="gru")
def gru_hard_sigmoid_for_sigmoid(case: Case) -> Trace:
    return run_cell(replace(case, recurrent_activation="hard_sigmoid"))


@fault("gru gates", cell="gru")
def gru_hard_sigmoid_of_keras_2(case: Case) -> Trace:
    old = case.recurrent_activation == "hard_sigmoid"
    return run_cell(replace(case, recurrent_activation="hard_sigmoid_keras2") if old else case)


@fault("gru state", cell="gru")
def gru_state_rounded_to_float16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (to_bits(state[0], 11),)))


@fault("gru state", cell="gru")
def gru_initial_state_ignored(case: Case) -> Trace:
    return run_cell(replace(case, initial_state=None))


@fault("gru state", cell="gru")
def gru_recurrent_weights_of_one_gate_transposed(case: Case) -> Trace:
    size = case.hidden_size
    new = recurrent_rows(case.weights, slice(2 * size, None)).U
    return run_cell(replace(case, U=np.concatenate([case.U[: 2 * size], new.T])))
