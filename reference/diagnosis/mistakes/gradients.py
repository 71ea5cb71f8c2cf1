"""Mistakes with gradients, of layers whose answers are right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import CELLS, LSTMS
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import GATES, Weights, split
from rnn_lockstep.reference.oracle.gradients import Cotangents

Found = dict[str, Any]  # gradients by the names of the case's arrays, in any arithmetic
Run = Callable[[Case, Cotangents], Found]


@dataclass(frozen=True, eq=False)
class GradientMistake:
    """Something done in place of backpropagation. Where it makes no difference, the gradients are right.

    description: what was done, as a clause.  cells: those which it can be made with.
    answer: the mistaken gradients (case, cotangents, run), by means of `run`, which gives the right ones.
    """

    description: str
    answer: Callable[[Case, Cotangents, Run], Found]
    cells: Sequence[str] = CELLS


Change = Callable[[Case, Found], Found]
Answer = Callable[[Case, Cotangents, Run], Found]


def change_gradients(change: Change) -> Answer:
    """Change the right gradients."""
    return lambda case, cotangents, run: change(case, run(case, cotangents))


def zeros(found: Found, *names: str) -> Found:
    return {name: np.zeros(g.shape) if name in names else g for name, g in found.items()}


def without(*names: str) -> Answer:
    """Put zeros for the gradients of some arrays."""
    return change_gradients(lambda case, found: zeros(found, *names))


def ignoring(name: str) -> Answer:
    """Leave out the part of L that comes from one array of the answer."""
    return lambda case, cotangents, run: run(case, cotangents._replace(**{name: None}))


def change_each_array(change: Callable[[Any], Any]) -> Answer:
    """Change all gradients."""
    return change_gradients(lambda case, found: {name: change(g) for name, g in found.items()})


def only_last_output(case: Case, cotangents: Cotangents, run: Run) -> Found:
    outputs = cotangents.outputs
    if outputs is None or not case.return_sequences:
        return run(case, cotangents)
    last = np.arange(case.time)[:, None] == case.time - 1
    return run(case, cotangents._replace(outputs=np.where(last, outputs, 0).astype(case.dtype)))


def not_flipped(case: Case, cotangents: Cotangents, run: Run) -> Found:
    outputs = cotangents.outputs
    if not case.reverse or outputs is None or not case.return_sequences:
        return run(case, cotangents)
    return run(case, cotangents._replace(outputs=np.ascontiguousarray(outputs[:, ::-1])))


def averaged(case: Case, found: Found) -> Found:
    parts = Weights._fields
    count = max(case.batch, 1)
    return {name: g / count if name.rpartition(".")[2] in parts else g for name, g in found.items()}


def a_step_late(case: Case, found: Found) -> Found:
    g = found["inputs"]
    return {**found, "inputs": np.concatenate([g[:, -1:], g[:, :-1]], axis=1)}


def below_the_last_layer(case: Case, found: Found) -> Found:
    return zeros(found, "inputs", *Weights._fields) if case.layers > 1 else found


def of_the_backward_direction(case: Case, found: Found) -> Found:
    backward = [f"more_weights[0].{name}" for name in Weights._fields]
    return zeros(found, *backward) if case.merge_mode else found


def recurrent_transposed(case: Case, found: Found) -> Found:
    """Transpose the gradients of U, the part of each gate by itself, where that is square."""
    if case.output_size != case.hidden_size:
        return found
    starts = range(0, len(GATES[case.cell]) * case.hidden_size, case.hidden_size)

    def change(g: Any) -> Any:
        return np.concatenate([g[k : k + case.hidden_size].T for k in starts], axis=0)

    return {name: change(g) if name.rpartition(".")[2] == "U" else g for name, g in found.items()}


def gates_in(letters: str, *names: str) -> Answer:
    """Put the gates of some gradients into another order."""

    def change(case: Case, found: Found) -> Found:
        size = case.hidden_size
        places = [GATES[case.cell].index(letter) for letter in letters]

        def reordered(g: Any) -> Any:
            return np.concatenate([g[k * size : (k + 1) * size] for k in places], axis=0)

        return {name: reordered(g) if name in names else g for name, g in found.items()}

    return change_gradients(change)


def peepholes_in_onnx_order(case: Case, found: Found) -> Found:
    i, f, o = split(found["peepholes"], 3)
    return {**found, "peepholes": np.concatenate([i, o, f], axis=-1)}


def same_bias(case: Case, found: Found) -> Found:
    both = "recurrent_b" in found and "b" in found
    return {**found, "recurrent_b": found["b"]} if both else found


def of_the_first_row(case: Case, cotangents: Cotangents, run: Run) -> Found:
    """Put the first row's gradients of the biases for those of all rows."""
    found = run(case, cotangents)
    if case.batch < 2:
        return found
    states = {name: getattr(case, name) for name in case.record.states}
    arrays = {"inputs": case.inputs[:1], **{name: first_of(state) for name, state in states.items()}}
    padding = {name: getattr(case, name) for name in ("lengths", "mask")}
    arrays |= {name: None if array is None else array[:1] for name, array in padding.items()}
    outputs = None if cotangents.outputs is None else cotangents.outputs[:1]
    own = Cotangents(outputs, *map(first_of, cotangents[1:]))
    first = run(replace(case, **arrays), own)
    return {name: first[name] if is_bias(name) else g for name, g in found.items()}


def first_of(state: Any) -> Any:
    """The first row of a state, (batch, H) or (cells, batch, H)."""
    return None if state is None else state[..., :1, :]


def is_bias(name: str) -> bool:
    return name.rpartition(".")[2] in ("b", "recurrent_b")


def without_the_last_step(case: Case, cotangents: Cotangents, run: Run) -> Found:
    """Begin the way back a step too early: the last step contributes nothing."""
    forward = not (case.padded or case.reverse or case.merge_mode) and case.return_sequences
    if case.time < 2 or not forward:
        return run(case, cotangents)
    outputs = None if cotangents.outputs is None else np.ascontiguousarray(cotangents.outputs[:, :-1])
    found = run(replace(case, inputs=case.inputs[:, :-1]), cotangents._replace(outputs=outputs))
    none = np.zeros((case.batch, 1, case.input_size))
    return {**found, "inputs": np.concatenate([found["inputs"], none], axis=1)}


def final_state_twice(case: Case, cotangents: Cotangents, run: Run) -> Found:
    state = cotangents.final_state
    return run(case, cotangents if state is None else cotangents._replace(final_state=2 * state))


def biases_of_the_first_layer(case: Case, found: Found) -> Found:
    names = [name for name in found if is_bias(name) and "." in name]
    return {**found, **{name: found[name.rpartition(".")[2]] for name in names}}


LSTM, GRU = ("lstm",), ("gru",)
GRADIENTS: dict[str, GradientMistake] = {
    "gradients_initial_state_dropped": GradientMistake(
        "the initial state has no gradient: it is cut off there", without("initial_state")
    ),
    "gradients_through_the_final_state_ignored": GradientMistake(
        "what the final state contributes to L is ignored", ignoring("final_state")
    ),
    "gradients_through_the_outputs_ignored": GradientMistake(
        "what the outputs contribute to L is ignored", ignoring("outputs")
    ),
    "gradients_through_the_last_output_only": GradientMistake(
        "only the last output contributes to L; all of them must", only_last_output
    ),
    "gradients_through_the_final_cell_state_ignored": GradientMistake(
        "what the final cell state contributes to L is ignored", ignoring("final_cell_state"), cells=LSTMS
    ),
    "gradients_initial_cell_state_dropped": GradientMistake(
        "the initial cell state has no gradient", without("initial_cell_state"), cells=LSTMS
    ),
    "gradients_recurrent_bias_missing": GradientMistake(
        "recurrent_b has no gradient", without("recurrent_b")
    ),
    "gradients_projection_missing": GradientMistake(
        "the projection has no gradient", without("projection"), cells=LSTM
    ),
    "gradients_peepholes_missing": GradientMistake(
        "the peepholes have no gradient", without("peepholes"), cells=("peephole_lstm",)
    ),
    "gradients_of_peepholes_in_onnx_order": GradientMistake(
        "the gradient of the peepholes has its gates in the order i, o, f",
        change_gradients(peepholes_in_onnx_order),
        cells=("peephole_lstm",),
    ),
    "gradients_bias_missing": GradientMistake("b has no gradient", without("b")),
    "gradients_u_transposed": GradientMistake(
        "the gradient of U is transposed", change_gradients(recurrent_transposed)
    ),
    "gradients_averaged_over_the_batch": GradientMistake(
        "the weights' gradients are averaged over the batch; they must be summed", change_gradients(averaged)
    ),
    "gradients_negated": GradientMistake(
        "all gradients have the wrong sign", change_each_array(lambda g: -1 * g)
    ),
    "gradients_doubled": GradientMistake("all gradients are doubled", change_each_array(lambda g: 2 * g)),
    "gradients_clipped_at_one": GradientMistake(
        "gradients are clipped at 1", change_each_array(lambda g: np.minimum(np.maximum(g, -1), 1))
    ),
    "gradients_of_biases_of_the_first_row": GradientMistake(
        "the biases have the gradients of the first row only", of_the_first_row
    ),
    "gradients_of_biases_of_the_first_layer": GradientMistake(
        "all layers' biases have the gradients of the first layer's",
        change_gradients(biases_of_the_first_layer),
    ),
    "gradients_without_the_last_step": GradientMistake(
        "the way back begins one step before the last", without_the_last_step
    ),
    "gradients_through_the_final_state_twice": GradientMistake(
        "what the final state contributes to L is counted twice", final_state_twice
    ),
    "gradients_of_inputs_one_step_late": GradientMistake(
        "the inputs' gradients are one step late", change_gradients(a_step_late)
    ),
    "gradients_stop_below_the_last_layer": GradientMistake(
        "the layers below the last have no gradients", change_gradients(below_the_last_layer)
    ),
    "gradients_of_the_backward_direction_missing": GradientMistake(
        "the backward direction has no gradients", change_gradients(of_the_backward_direction)
    ),
    "gradients_of_a_reverse_layer_not_flipped": GradientMistake(
        "the cotangents of a reverse layer's outputs are taken in the opposite order", not_flipped
    ),
    "gradients_of_gru_gates_in_keras_order": GradientMistake(
        "the gradient of W has its gates in the order z, r, n", gates_in("zrn", "W"), cells=GRU
    ),
    "gradients_of_the_hidden_bias_without_the_reset_gate": GradientMistake(
        "recurrent_b has the gradient of b: the reset gate is left out",
        change_gradients(same_bias),
        cells=GRU,
    ),
    "gradients_of_lstm_gates_in_onnx_order": GradientMistake(
        "the gradient of U has its gates in the order i, o, f, g", gates_in("iofg", "U"), cells=LSTMS
    ),
}


def possible(case: Case) -> list[GradientMistake]:
    """List the mistakes that can be made with a case."""
    return [mistake for mistake in GRADIENTS.values() if case.cell in mistake.cells]
