"""Mistakes with an LSTM, most of them made by real ports between frameworks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import LSTMS, Mistake, change_one_gate, with_options
from rnn_lockstep.reference.oracle.activations import clipped
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights, input_sum, recurrent_sum, split
from rnn_lockstep.reference.oracle.trace import Trace

CELL = ("lstm",)


def lstm_step(update: Any) -> Any:
    """Make a step with another update, (activation, i, f, g, o, c) -> h before its projection, and c."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        gates = case.record.activated(x_t, state[0], weights, case.options)
        hidden, c = update(case.options.output, *gates, state[1])
        return hidden if weights.projection is None else hidden @ weights.projection.T, c

    return step


def coupled(act: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + (1 - f) * g
    return o * act(c), c


def without_tanh(act: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + i * g
    return o * c, c


def without_output_gate(act: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + i * g
    return act(c), c


def tanh_for_the_output(act: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = f * c + i * g
    return o * np.tanh(c), c


def old_state_clipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    h, c = state
    return case.step(x_t, (h, np.minimum(np.maximum(c, -1), 1)), weights)


def clipped_after(act: Any, i: Any, f: Any, g: Any, o: Any, c: Any) -> State:
    c = np.minimum(np.maximum(f * c + i * g, -1), 1)
    return o * act(c), c


def candidate_with(choose: Callable[[Case], str]) -> Any:
    """Make a step whose candidate has another activation, of the name that is chosen."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        gates = list(case.record.activated(x_t, state[0], weights, case.options))
        sums = split(input_sum(x_t, weights) + recurrent_sum(state[0], weights), 4)
        gates[2] = clipped(choose(case), case.clip)(sums[2])
        i, f, g, _ = gates
        c = f * state[1] + i * g
        return case.record.output(gates, state[0], c, weights, case.options), c

    return step


def hard_tanh(z: Any) -> Any:
    return np.minimum(np.maximum(z, -1), 1)


def hard(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    if case.activation != "tanh" or case.clip is not None:
        return case.step(x_t, state, weights)
    i, f, _, o = case.record.activated(x_t, state[0], weights, case.options)
    g = hard_tanh(split(input_sum(x_t, weights) + recurrent_sum(state[0], weights), 4)[2])
    c = f * state[1] + i * g
    hidden = o * hard_tanh(c)
    return hidden if weights.projection is None else hidden @ weights.projection.T, c


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


def forget_bias_at_first(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    if t == 0 or weights.b is None:
        return case.step(x_t, state, weights)
    b = change_one_gate(case, np.ones(weights.b.shape), "f", np.zeros_like) * weights.b
    return case.step(x_t, state, weights._replace(b=b))


def with_peepholes(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose gates see the cell state, with weights of 1: i and f the old one, o the new one."""
    h, c = state
    gate = case.options.gate
    i, f, g, o = split(input_sum(x_t, weights) + recurrent_sum(h, weights), 4)
    new = gate(f + c) * c + gate(i + c) * case.options.candidate(g)
    gates = [i, f, g, gate(o + new)]
    return case.record.output(gates, h, new, weights, case.options), new


def input_gate_coupled(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose gate i is 1 - f where the gates are coupled, which f should be."""
    if not case.input_forget:
        return case.step(x_t, state, weights)
    _, f, g, o = case.record.activated(x_t, state[0], weights, case.options._replace(input_forget=False))
    gates = [1 - f, f, g, o]
    c = f * state[1] + gates[0] * g
    return case.record.output(gates, state[0], c, weights, case.options), c


LSTM: dict[str, Mistake] = {
    "lstm_forget_gate_plus_one": Mistake(
        "1 is added to the forget gate's bias", forget_plus_one, cells=LSTMS
    ),
    "lstm_input_and_forget_coupled": Mistake("the input gate is 1 - f", cells=CELL, step=lstm_step(coupled)),
    "lstm_sigmoid_for_the_candidate": Mistake(
        "the candidate g has sigmoid for tanh",
        cells=CELL,
        step=candidate_with(lambda case: case.recurrent_activation),
    ),
    "lstm_output_without_tanh": Mistake(
        "h' = o∘c', without the tanh", cells=CELL, step=lstm_step(without_tanh)
    ),
    "lstm_output_of_the_old_cell_state": Mistake(
        "h' = o∘tanh(c), of the old cell state",
        cells=CELL,
        step=lstm_step(lambda act, i, f, g, o, c: (o * act(c), f * c + i * g)),
    ),
    "lstm_output_gate_left_out": Mistake(
        "the output gate is left out: h' = tanh(c')", cells=CELL, step=lstm_step(without_output_gate)
    ),
    "lstm_tanh_for_the_candidate": Mistake(
        "the candidate g has tanh in place of the layer's activation, which only the output has",
        cells=CELL,
        step=candidate_with(lambda case: "tanh"),
    ),
    "lstm_tanh_for_the_output": Mistake(
        "the output has tanh in place of the layer's activation, which only the candidate has",
        cells=CELL,
        step=lstm_step(tanh_for_the_output),
    ),
    "lstm_initial_states_swapped": Mistake(
        "the initial states are swapped: h for c and c for h", cells=LSTMS, change_case=initial_swapped
    ),
    "lstm_initial_cell_state_ignored": Mistake(
        "the initial cell state is ignored", cells=LSTMS, change_case=initial_cell_ignored
    ),
    "lstm_final_states_swapped": Mistake(
        "the final states are swapped: h for c and c for h", cells=LSTMS, change_trace=finals_swapped
    ),
    "lstm_final_cell_state_is_the_output": Mistake(
        "the final cell state is the final output h", cells=LSTMS, change_trace=cell_state_is_output
    ),
    "lstm_final_cell_state_of_the_step_before": Mistake(
        "the final cell state is that of the step before the last",
        cells=LSTMS,
        run_direction=cell_state_of_the_step_before,
    ),
    "lstm_cell_state_clipped_at_one": Mistake(
        "the cell state is clipped at 1", cells=LSTMS, step=old_state_clipped
    ),
    "lstm_forget_bias_at_the_first_step_only": Mistake(
        "the forget gate's b is added at the first step only", cells=LSTMS, step=forget_bias_at_first
    ),
    "lstm_new_cell_state_clipped_at_one": Mistake(
        "the new cell state is clipped at 1, before the output is made of it",
        cells=CELL,
        step=lstm_step(clipped_after),
    ),
    "lstm_relu_for_the_candidate": Mistake(
        "the candidate g has relu", cells=CELL, step=candidate_with(lambda case: "relu")
    ),
    "lstm_hard_tanh": Mistake("tanh is the hard one: z, clipped at 1", cells=CELL, step=hard),
    "lstm_input_forget_ignored": Mistake(
        "the gates i and f are not coupled: f has rows of its own",
        cells=LSTMS,
        change_case=with_options(input_forget=False),
    ),
    "lstm_input_forget_of_the_forget_gate": Mistake(
        "of the coupled gates i is 1 - f; it is f that is 1 - i", cells=CELL, step=input_gate_coupled
    ),
    "lstm_peepholes": Mistake(
        "the gates see the cell state, as with peepholes of weight 1", cells=CELL, step=with_peepholes
    ),
}
