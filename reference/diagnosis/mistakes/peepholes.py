"""Mistakes with the peepholes of an LSTM: which gate sees which cell state, and by which weights."""

from itertools import permutations
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.gates import reordered
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Change, Mistake
from rnn_lockstep.reference.diagnosis.mistakes.weights import change_arrays, rolled, times
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import CELLS, State, Weights, split

CELL = ("peephole_lstm",)
GATES = CELLS["peephole_lstm"].peepholes
KNOWN_ORDERS = {"iof": " (ONNX's)"}  # its input P; source: onnx.ai, LSTM


def change_each(change: Any) -> Change:
    """Change the peepholes of each gate."""

    def changed(array: Any) -> Any:
        return np.concatenate([change(part) for part in np.split(array, len(GATES))])

    return change_arrays(changed, "peepholes")


def without(gate: str) -> Change:
    """Drop the peepholes of one gate."""
    kept = np.array([[other != gate] for other in GATES])
    return change_arrays(lambda p: (p.reshape(len(GATES), -1) * kept).astype(p.dtype).ravel(), "peepholes")


def output_sees(choose: Any) -> Any:
    """Make a step whose gate o sees another cell state than the new one, of (old, new, activation)."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        (h, c), gate = state, case.options.gate
        _, new = case.step(x_t, state, weights)
        activation = case.options.output
        sums = case.record.activated(x_t, h, weights, case.options)
        seen = split(weights.peepholes, 3)[2] * choose(c, new, activation)
        return gate(sums[3] + seen) * activation(new), new

    return step


def candidate_sees(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose candidate g sees the old cell state too, with the peepholes of i."""
    h, c = state
    i, f, g, o = case.record.activated(x_t, h, weights, case.options)
    sums = [i, f, g + split(weights.peepholes, 3)[0] * c, o]
    new = case.record.next_cell_state(sums, c, weights, case.options)  # type: ignore[misc]  # it has one
    return case.record.output(sums, h, new, weights, case.options), new


def squashed_seen(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose gates see activation(c) in place of c."""
    (h, c), activation = state, case.options.output
    gate, (p_i, p_f, p_o) = case.options.gate, split(weights.peepholes, 3)
    i, f, g, o = case.record.activated(x_t, h, weights, case.options)
    new = gate(f + p_f * activation(c)) * c + gate(i + p_i * activation(c)) * case.options.candidate(g)
    return gate(o + p_o * activation(new)) * activation(new), new


def in_order(letters: str) -> Mistake:
    """Make the mistake of taking the peepholes in another order."""
    known = KNOWN_ORDERS.get(letters, "")
    says = f"the peepholes are taken in the order {', '.join(letters)}{known} for i, f, o"
    return Mistake(says, reordered([GATES.index(letter) for letter in letters], "peepholes"), cells=CELL)


PEEPHOLES: dict[str, Mistake] = {
    "peepholes_dropped": Mistake(
        "the peepholes are dropped: no gate sees the cell state",
        change_arrays(times(0), "peepholes"),
        cells=CELL,
    ),
    "peepholes_output_sees_the_old_cell_state": Mistake(
        "the gate o sees the old cell state c; it must see the new one, c'",
        cells=CELL,
        step=output_sees(lambda old, new, activation: old),
    ),
    **{
        f"peepholes_in_order_{''.join(order)}": in_order("".join(order))
        for order in sorted(permutations(GATES), key=lambda order: "".join(order) not in KNOWN_ORDERS)
        if order != GATES
    },
    "peepholes_candidate_sees_the_cell_state": Mistake(
        "the candidate g sees the cell state too, with the peepholes of i", cells=CELL, step=candidate_sees
    ),
    **{
        f"peepholes_of_{gate}_dropped": Mistake(
            f"the peepholes of the gate {gate} are dropped", without(gate), cells=CELL
        )
        for gate in GATES
    },
    "peepholes_see_the_activated_cell_state": Mistake(
        "the gates see activation(c) in place of the cell state c", cells=CELL, step=squashed_seen
    ),
    "peepholes_negated": Mistake(
        "the peepholes have the wrong sign", change_arrays(times(-1), "peepholes"), cells=CELL
    ),
    "peepholes_rolled": Mistake("the peepholes are one place late", change_each(rolled(0)), cells=CELL),
}
