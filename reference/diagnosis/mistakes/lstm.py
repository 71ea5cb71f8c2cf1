"""Mistakes with an LSTM, most of them made by real ports between frameworks."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, change_one_gate
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import (
    RECURRENT_ACTIVATIONS,
    Weights,
    gates,
    input_sum,
    lstm_gates,
    recurrent_sum,
)
from rnn_lockstep.reference.oracle.layer import State
from rnn_lockstep.reference.oracle.trace import Trace

CELL = ("lstm",)


def lstm_step(update: Any) -> Any:
    """Make a step with another update of the states, from i, f, g, o and c to h and c."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        h, c = state
        new: State = update(*lstm_gates(x_t, h, weights, case.recurrent_activation), c)
        return new

    return step


def coupled(i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + (1 - f) * g
    return o * np.tanh(c), c


def without_tanh(i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + i * g
    return o * c, c


def clipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    h, c = state
    return case.step(x_t, (h, np.minimum(np.maximum(c, -1), 1)), weights)


def candidate_with_sigmoid(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    h, c = state
    activate = RECURRENT_ACTIVATIONS[case.recurrent_activation]
    i, f, g, o = (activate(z) for z in gates(input_sum(x_t, weights) + recurrent_sum(h, weights), 4))
    c = f * c + i * g
    return o * np.tanh(c), c


def forget_plus_one(case: Case, w: Weights) -> Weights:
    b = np.zeros(len(w.W), case.dtype) if w.b is None else w.b
    return w._replace(b=change_one_gate(case, b, "f", lambda part: part + part.dtype.type(1)))


def initial_swapped(case: Case) -> Case:
    return replace(case, initial_state=case.initial_cell_state, initial_cell_state=case.initial_state)


def initial_cell_ignored(case: Case) -> Case:
    return case if case.initial_cell_state is None else replace(case, initial_cell_state=0 * case.c0)


def cell_state_of_the_step_before(case: Case, run: Any, direction: Any, inputs: Any) -> Any:
    before: list[Any] = [direction.start[1]]

    def step(t: int, x_t: Any, state: State, weights: Weights) -> State:
        before.append(state[1])
        return case.step(x_t, state, weights)

    outputs, (h, c) = run(direction, inputs, step)
    return outputs, (h, c if case.padded else before[-1])


def finals_swapped(case: Case, trace: Trace) -> Trace:
    cell_state: Any = trace.final_cell_state
    return replace(trace, final_state=cell_state, final_cell_state=trace.final_state)


def cell_state_is_output(case: Case, trace: Trace) -> Trace:
    return replace(trace, final_cell_state=trace.final_state)


LSTM: dict[str, Mistake] = {
    "lstm_forget_gate_plus_one": Mistake("1 is added to the forget gate's bias", forget_plus_one, cells=CELL),
    "lstm_input_and_forget_coupled": Mistake("the input gate is 1 - f", cells=CELL, step=lstm_step(coupled)),
    "lstm_sigmoid_for_the_candidate": Mistake(
        "the candidate g has sigmoid for tanh", cells=CELL, step=candidate_with_sigmoid
    ),
    "lstm_output_without_tanh": Mistake(
        "h' = o∘c', without the tanh", cells=CELL, step=lstm_step(without_tanh)
    ),
    "lstm_output_of_the_old_cell_state": Mistake(
        "h' = o∘tanh(c), of the old cell state",
        cells=CELL,
        step=lstm_step(lambda i, f, g, o, c: (o * np.tanh(c), f * c + i * g)),
    ),
    "lstm_initial_states_swapped": Mistake(
        "the initial states are swapped: h for c and c for h", cells=CELL, change_case=initial_swapped
    ),
    "lstm_initial_cell_state_ignored": Mistake(
        "the initial cell state is ignored", cells=CELL, change_case=initial_cell_ignored
    ),
    "lstm_final_states_swapped": Mistake(
        "the final states are swapped: h for c and c for h", cells=CELL, change_trace=finals_swapped
    ),
    "lstm_final_cell_state_is_the_output": Mistake(
        "the final cell state is the final output h", cells=CELL, change_trace=cell_state_is_output
    ),
    "lstm_final_cell_state_of_the_step_before": Mistake(
        "the final cell state is that of the step before the last",
        cells=CELL,
        run_direction=cell_state_of_the_step_before,
    ),
    "lstm_cell_state_clipped_at_one": Mistake("the cell state is clipped at 1", cells=CELL, step=clipped),
}
