"""Mistakes with a GRU, most of them made by real ports between frameworks."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.gates import change_gate_of
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Change, Mistake, change_one_gate
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, sigmoid
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights, input_sum, recurrent_sum, split

CELL = ("gru",)


def recurrent_bias_summed(case: Case, w: Weights) -> Weights:
    if w.recurrent_b is None:
        return w
    return w._replace(b=w.recurrent_b if w.b is None else w.b + w.recurrent_b, recurrent_b=None)


def input_bias_inside(case: Case, w: Weights) -> Weights:
    if w.b is None:
        return w
    none = np.zeros_like(w.b)
    inside = change_one_gate(case, none, "n", lambda part: part + w.b[-len(part) :])
    return w._replace(b=w.b - inside, recurrent_b=inside if w.recurrent_b is None else w.recurrent_b + inside)


def times_in_gates(factor: int) -> Change:
    """Multiply recurrent_b of the gates r and z."""

    def change(case: Case, w: Weights) -> Weights:
        for gate in ("r", "z"):
            w = change_gate_of(gate, lambda b: (factor * b).astype(b.dtype), "recurrent_b")(case, w)
        return w

    return change


def gru_pieces(case: Case, x_t: Any, h: Any, weights: Weights) -> tuple[Any, Any, Any, Any]:
    """Return r, z and the two parts of the candidate's sum, of W·x and of U·h, with reset_after."""
    activate = case.options.gate
    x_r, x_z, x_n = split(input_sum(x_t, weights), 3)
    h_r, h_z, h_n = split(recurrent_sum(h, weights), 3)
    return activate(x_r + h_r), activate(x_z + h_z), x_n, h_n


def gru_step(candidate: Any) -> Any:
    """Make a step with another candidate, (activation, r, W·x, U·h) -> n, with reset_after."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        if not case.reset_after:
            return case.step(x_t, state, weights)
        r, z, x_n, h_n = gru_pieces(case, x_t, state[0], weights)
        return ((1 - z) * candidate(case.options.candidate, r, x_n, h_n) + z * state[0],)

    return step


def update_inverted(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    _, z, n = case.record.activated(x_t, state[0], weights, case.options)
    return (z * n + (1 - z) * state[0],)


def kept_state_reset(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    r, z, n = case.record.activated(x_t, state[0], weights, case.options)
    return ((1 - z) * n + z * (r * state[0]),)


GRU: dict[str, Mistake] = {
    "gru_reset_form_flipped": Mistake(
        "the reset gate is applied on the other side of U (reset_after is wrong)",
        cells=CELL,
        change_case=lambda case: replace(case, reset_after=not case.reset_after),
    ),
    "gru_recurrent_bias_summed": Mistake(
        "recurrent_b is added to b: that of the candidate n belongs inside r∘(U·h + recurrent_b)",
        recurrent_bias_summed,
        cells=CELL,
    ),
    "gru_bias_of_the_candidate_inside": Mistake(
        "b of the candidate n is added inside r∘(U·h + recurrent_b); it belongs outside",
        input_bias_inside,
        cells=CELL,
    ),
    "gru_recurrent_bias_of_the_candidate_dropped": Mistake(
        "recurrent_b of the candidate n is dropped",
        change_gate_of("n", lambda b: 0 * b, "recurrent_b"),
        cells=CELL,
    ),
    **{
        f"gru_recurrent_bias_of_the_gates_{what}": Mistake(
            f"recurrent_b of r and z is {what_in_words}", times_in_gates(factor), cells=CELL
        )
        for what, what_in_words, factor in (("dropped", "dropped", 0), ("doubled", "added twice", 2))
    },
    "gru_update_gate_inverted": Mistake(
        "the update gate is inverted: h' = z∘n + (1 - z)∘h", cells=CELL, step=update_inverted
    ),
    "gru_reset_gate_ignored": Mistake(
        "the reset gate is ignored", cells=CELL, step=gru_step(lambda act, r, x, h: act(x + h))
    ),
    "gru_reset_gate_on_the_input_too": Mistake(
        "the reset gate is applied to W·x too",
        cells=CELL,
        step=gru_step(lambda act, r, x, h: act(r * (x + h))),
    ),
    "gru_sigmoid_for_the_candidate": Mistake(
        "the candidate n has sigmoid for tanh",
        cells=CELL,
        step=gru_step(lambda act, r, x, h: sigmoid(x + r * h)),
    ),
    "gru_hard_tanh": Mistake(
        "the candidate's tanh is the hard one: z, clipped at 1",
        cells=CELL,
        step=gru_step(
            lambda act, r, x_n, h_n: (
                np.minimum(np.maximum(x_n + r * h_n, -1), 1)
                if act is ACTIVATIONS["tanh"]
                else act(x_n + r * h_n)
            )
        ),
    ),
    "gru_kept_state_reset": Mistake(
        "the reset gate multiplies the state that is kept too: h' = (1 - z)∘n + z∘r∘h",
        cells=CELL,
        step=kept_state_reset,
    ),
}
