"""Mistakes with the gates of a GRU or an LSTM, most of them made by real ports between frameworks."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import Change, Mistake, some_gate
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, sigmoid
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import CELLS, State, Weights, input_sum, recurrent_sum, split
from rnn_lockstep.reference.oracle.trace import Trace

GRU, LSTM, BOTH = ("gru",), ("lstm",), ("gru", "lstm")

# Where an order of gates is known from. Source: the frameworks' own documentation, as in DESIGN's table.
KNOWN_ORDERS = {
    "zrn": "Keras's and ONNX's",
    "iofg": "ONNX's",
    "igof": "torch's, taken for ONNX's",
    "ifog": "with the candidate last",
    "igfo": "haiku's",
}


def reordered(order: Sequence[int], *names: str) -> Change:
    """Arrays with their equal parts, one for each gate, in another order."""

    def change(case: Case, w: Weights) -> Weights:
        arrays = {name: getattr(w, name) for name in names}
        parts = {name: np.split(a, len(order)) for name, a in arrays.items() if a is not None}
        return w._replace(**{name: np.concatenate([part[k] for k in order]) for name, part in parts.items()})

    return change


def in_order(cell: str, order: Sequence[int]) -> Mistake:
    """All weights have their gates in another order."""
    letters = "".join(CELLS[cell].gates[k] for k in order)
    known = f" ({KNOWN_ORDERS[letters]})" if letters in KNOWN_ORDERS else ""
    says = f"the gates are taken in the order {', '.join(letters)}{known} for {', '.join(CELLS[cell].gates)}"
    return Mistake(says, reordered(order, "W", "U", "b", "recurrent_b"), cells=(cell,))


def orders(cell: str) -> dict[str, Mistake]:
    """Every order but the right one, the known ones first."""
    count = range(len(CELLS[cell].gates))
    found = {
        f"{cell}_{''.join(CELLS[cell].gates[k] for k in order)}": in_order(cell, order)
        for order in permutations(count)
    }
    del found[f"{cell}_{''.join(CELLS[cell].gates)}"]
    return dict(sorted(found.items(), key=lambda item: item[0].partition("_")[2] not in KNOWN_ORDERS))


def in_some(cell: str, order: Sequence[int], says: str, *names: str) -> Mistake:
    letters = ", ".join(CELLS[cell].gates[k] for k in order)
    return Mistake(
        f"the gates of {says} are taken in the order {letters}", reordered(order, *names), cells=(cell,)
    )


ORDERS = {**orders("gru"), **orders("lstm")}
globals().update(ORDERS)
PARTIAL_ORDERS = {
    f"{cell}_{name}_in_order_{letters}": in_some(
        cell, [CELLS[cell].gates.index(g) for g in letters], says, *names
    )
    for cell, letters in (("gru", "zrn"), ("lstm", "iofg"), ("lstm", "ifog"), ("lstm", "igfo"))
    for name, says, names in (
        ("w", "W alone", ("W",)),
        ("u", "U alone", ("U",)),
        ("biases", "the biases alone", ("b", "recurrent_b")),
    )
}
globals().update(PARTIAL_ORDERS)


def of_gate(gate: str, change: Any, *names: str) -> Change:
    """Some arrays of a cell with the part of one gate changed."""

    def weights(case: Case, w: Weights) -> Weights:
        arrays = {name: getattr(w, name) for name in names}
        return w._replace(
            **{name: some_gate(case, a, gate, change) for name, a in arrays.items() if a is not None}
        )

    return weights


U_OF_ONE_GATE = {
    f"{cell}_u_of_{gate}_transposed": Mistake(
        f"U is transposed for the gate {gate} alone", of_gate(gate, np.transpose, "U"), cells=(cell,)
    )
    for cell in BOTH
    for gate in CELLS[cell].gates
}
globals().update(U_OF_ONE_GATE)


def hard(name: str) -> Any:
    return lambda case: replace(case, recurrent_activation=name)


hard_sigmoid_for_sigmoid = Mistake(
    "the gates' activation is hard_sigmoid (z/6 + 1/2)", cells=BOTH, case=hard("hard_sigmoid")
)
hard_sigmoid_of_keras_2 = Mistake(
    "the gates' activation is the hard_sigmoid of Keras 2 (z/5 + 1/2)",
    cells=BOTH,
    case=hard("hard_sigmoid_keras2"),
)
sigmoid_for_hard_sigmoid = Mistake("the gates' activation is sigmoid", cells=BOTH, case=hard("sigmoid"))

# GRU.


def recurrent_bias_summed(case: Case, w: Weights) -> Weights:
    if w.recurrent_b is None:
        return w
    return w._replace(b=w.recurrent_b if w.b is None else w.b + w.recurrent_b, recurrent_b=None)


def gru_pieces(case: Case, x_t: Any, h: Any, weights: Weights) -> tuple[Any, Any, Any, Any]:
    """r, z and the two parts of the candidate, with reset_after."""
    activate = ACTIVATIONS[case.recurrent_activation]
    x_r, x_z, x_n = split(input_sum(x_t, weights), 3)
    h_r, h_z, h_n = split(recurrent_sum(h, weights), 3)
    return activate(x_r + h_r), activate(x_z + h_z), x_n, h_n


def gru_step(candidate: Any) -> Any:
    """A step with another candidate, made of r and the two parts of its sum, with reset_after."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        if not case.reset_after:
            return case.step(x_t, state, weights)
        r, z, x_n, h_n = gru_pieces(case, x_t, state[0], weights)
        return ((1 - z) * candidate(r, x_n, h_n) + z * state[0],)

    return step


def update_inverted(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    _, z, n = case.record.activated(x_t, state[0], weights, case.options)
    return (z * n + (1 - z) * state[0],)


gru_reset_form_flipped = Mistake(
    "the reset gate is applied on the other side of U (reset_after is wrong)",
    cells=GRU,
    case=lambda case: replace(case, reset_after=not case.reset_after),
)
gru_recurrent_bias_summed = Mistake(
    "recurrent_b is added to b: that of the candidate n belongs inside r∘(U·h + recurrent_b)",
    recurrent_bias_summed,
    cells=GRU,
)
gru_recurrent_bias_of_the_candidate_dropped = Mistake(
    "recurrent_b of the candidate n is dropped", of_gate("n", lambda b: 0 * b, "recurrent_b"), cells=GRU
)
gru_update_gate_inverted = Mistake(
    "the update gate is inverted: h' = z∘n + (1 - z)∘h", cells=GRU, step=update_inverted
)
gru_reset_gate_ignored = Mistake(
    "the reset gate is ignored", cells=GRU, step=gru_step(lambda r, x, h: np.tanh(x + h))
)
gru_reset_gate_on_the_input_too = Mistake(
    "the reset gate is applied to W·x too", cells=GRU, step=gru_step(lambda r, x, h: np.tanh(r * (x + h)))
)
gru_sigmoid_for_the_candidate = Mistake(
    "the candidate n has sigmoid for tanh", cells=GRU, step=gru_step(lambda r, x, h: sigmoid(x + r * h))
)

# LSTM.


def lstm_step(update: Any) -> Any:
    """A step with another update of the states, from i, f, g, o and c to h and c."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        h, c = state
        new: State = update(*case.record.activated(x_t, h, weights, case.options), c)
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
    activate = ACTIVATIONS[case.recurrent_activation]
    i, f, g, o = (activate(z) for z in split(input_sum(x_t, weights) + recurrent_sum(h, weights), 4))
    c = f * c + i * g
    return o * np.tanh(c), c


def forget_plus_one(case: Case, w: Weights) -> Weights:
    b = np.zeros(len(w.W), case.dtype) if w.b is None else w.b
    return w._replace(b=some_gate(case, b, "f", lambda part: part + part.dtype.type(1)))


def initial_swapped(case: Case) -> Case:
    return replace(case, initial_state=case.initial_cell_state, initial_cell_state=case.initial_state)


def initial_cell_ignored(case: Case) -> Case:
    return case if case.initial_cell_state is None else replace(case, initial_cell_state=0 * case.c0)


def cell_state_of_the_step_before(case: Case, go: Any, direction: Any, inputs: Any) -> Any:
    before: list[Any] = [direction.start[1]]

    def step(t: int, x_t: Any, state: State, weights: Weights) -> State:
        before.append(state[1])
        return case.step(x_t, state, weights)

    outputs, (h, c) = go(direction, inputs, step)
    return outputs, (h, c if case.padded else before[-1])


def finals_swapped(case: Case, trace: Trace) -> Trace:
    cell_state: Any = trace.final_cell_state
    return replace(trace, final_state=cell_state, final_cell_state=trace.final_state)


def cell_state_is_output(case: Case, trace: Trace) -> Trace:
    return replace(trace, final_cell_state=trace.final_state)


lstm_forget_gate_plus_one = Mistake("1 is added to the forget gate's bias", forget_plus_one, cells=LSTM)
lstm_input_and_forget_coupled = Mistake("the input gate is 1 - f", cells=LSTM, step=lstm_step(coupled))
lstm_sigmoid_for_the_candidate = Mistake(
    "the candidate g has sigmoid for tanh", cells=LSTM, step=candidate_with_sigmoid
)
lstm_output_without_tanh = Mistake("h' = o∘c', without the tanh", cells=LSTM, step=lstm_step(without_tanh))
lstm_output_of_the_old_cell_state = Mistake(
    "h' = o∘tanh(c), of the old cell state",
    cells=LSTM,
    step=lstm_step(lambda i, f, g, o, c: (o * np.tanh(c), f * c + i * g)),
)
lstm_initial_states_swapped = Mistake(
    "the initial states are swapped: h for c and c for h", cells=LSTM, case=initial_swapped
)
lstm_initial_cell_state_ignored = Mistake(
    "the initial cell state is ignored", cells=LSTM, case=initial_cell_ignored
)
lstm_final_states_swapped = Mistake(
    "the final states are swapped: h for c and c for h", cells=LSTM, show=finals_swapped
)
lstm_final_cell_state_is_the_output = Mistake(
    "the final cell state is the final output h", cells=LSTM, show=cell_state_is_output
)
lstm_final_cell_state_of_the_step_before = Mistake(
    "the final cell state is that of the step before the last",
    cells=LSTM,
    around=cell_state_of_the_step_before,
)
lstm_cell_state_clipped_at_one = Mistake("the cell state is clipped at 1", cells=LSTM, step=clipped)
