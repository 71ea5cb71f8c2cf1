"""Faults of an LSTM, most of them made by real ports between frameworks."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from reference import cells
from reference.cells import sigmoid
from tests.faults.catalogue.gru import with_gates
from tests.faults.faulty import Array, Memory, fault, run_cell, to_bits

Update = Callable[[Array, Array, Array, Array, Array], tuple[Array, Array]]  # i, f, g, o, c -> h, c


def run_update(case: Case, update: Update) -> Trace:
    """The correct loop and gates around another update of the states."""

    def step(x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        h, c = state
        return update(*cells.lstm_gates(x, h, case.weights, case.recurrent_activation), c)

    return run_cell(case, step)


@fault("lstm gates", cell="lstm")
def lstm_gates_in_onnx_order(case: Case) -> Trace:
    return run_cell(with_gates(case, [0, 3, 1, 2]))


@fault("lstm gates", cell="lstm")
def lstm_gates_in_haiku_order(case: Case) -> Trace:
    return run_cell(with_gates(case, [0, 2, 1, 3]))


@fault("lstm gates", cell="lstm")
def lstm_candidate_and_output_swapped(case: Case) -> Trace:
    return run_cell(with_gates(case, [0, 1, 3, 2]))


@fault("lstm gates", cell="lstm")
def lstm_input_and_forget_swapped(case: Case) -> Trace:
    return run_cell(with_gates(case, [1, 0, 2, 3]))


@fault("lstm gates", cell="lstm")
def lstm_forget_gate_plus_one(case: Case) -> Trace:
    b = np.zeros(len(case.W), case.dtype) if case.b is None else case.b.copy()
    b[case.hidden_size : 2 * case.hidden_size] += 1
    return run_cell(replace(case, b=b))


@fault("lstm gates", cell="lstm")
def lstm_recurrent_bias_dropped(case: Case) -> Trace:
    return run_cell(replace(case, recurrent_b=None))


@fault("lstm gates", cell="lstm")
def lstm_input_and_forget_coupled(case: Case) -> Trace:
    return run_update(case, lambda i, f, g, o, c: (o * np.tanh(f * c + (1 - f) * g), f * c + (1 - f) * g))


@fault("lstm gates", cell="lstm")
def lstm_sigmoid_for_the_candidate(case: Case) -> Trace:
    def step(x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        h, c = state
        i, f, g, o = cells.gates(cells.input_sum(x, case.weights) + cells.recurrent_sum(h, case.weights), 4)
        c = sigmoid(f) * c + sigmoid(i) * sigmoid(g)
        return sigmoid(o) * np.tanh(c), c

    return run_cell(case, step)


@fault("lstm gates", cell="lstm")
def lstm_output_without_tanh(case: Case) -> Trace:
    return run_update(case, lambda i, f, g, o, c: (o * (f * c + i * g), f * c + i * g))


@fault("lstm gates", cell="lstm")
def lstm_output_of_the_old_cell_state(case: Case) -> Trace:
    return run_update(case, lambda i, f, g, o, c: (o * np.tanh(c), f * c + i * g))


@fault("lstm states", cell="lstm")
def lstm_initial_states_swapped(case: Case) -> Trace:
    return run_cell(
        replace(case, initial_state=case.initial_cell_state, initial_cell_state=case.initial_state)
    )


@fault("lstm states", cell="lstm")
def lstm_initial_cell_state_ignored(case: Case) -> Trace:
    none = case.initial_cell_state is None
    return run_cell(case if none else replace(case, initial_cell_state=0 * case.c0))


@fault("lstm states", cell="lstm")
def lstm_final_states_swapped(case: Case) -> Trace:
    trace = run_cell(case)
    return Trace(trace.outputs, trace.final_cell_state, trace.final_state)


@fault("lstm states", cell="lstm")
def lstm_final_cell_state_is_the_output(case: Case) -> Trace:
    trace = run_cell(case)
    return Trace(trace.outputs, trace.final_state, trace.final_state.copy())


@fault("lstm states", cell="lstm")
def lstm_final_cell_state_of_the_step_before(case: Case) -> Trace:
    before = [case.c0, case.c0]

    def step(x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        before.append(state[1])
        return case.step(x, state)

    trace = run_cell(case, step)
    return Trace(trace.outputs, trace.final_state, before[-1].copy())


@fault("lstm states", cell="lstm")
def lstm_cell_state_rounded_to_bfloat16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (state[0], to_bits(state[1], 8))))


@fault("lstm states", cell="lstm")
def lstm_cell_state_clipped_at_one(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (state[0], np.clip(state[1], -1, 1))))


@fault("lstm states", cell="lstm", remembers=True)
def lstm_cell_state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("c")
    if case.initial_state is None and last is not None and last.shape == case.c0.shape:
        case = replace(case, initial_state=case.h0, initial_cell_state=last.astype(case.dtype))
    trace = run_cell(case)
    memory["c"] = trace.final_cell_state
    return trace
