"""Mistakes with layers on top of each other, and with the last output."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import (
    CELL_STATE,
    LSTMS,
    STATE,
    Mistake,
    Result,
    with_cells,
    with_states,
    without_padding,
    zeros_in_padding,
)
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.trace import Trace

# Layers.


def change_between_layers(change: Any) -> Any:
    """Change the inputs of each layer but the first, by `change(case, inputs)`."""

    def run_direction(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
        below = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
        return run(direction, change(case, inputs) if below else inputs)

    return run_direction


def the_inputs(case: Case, below: Any) -> Any:
    """Return the inputs of the case, as many features as the layer below has."""
    room = max(0, case.features - case.input_size)
    return np.pad(zeros_in_padding(case).inputs[..., : case.features], ((0, 0), (0, 0), (0, room)))


def residual(case: Case, below: Any) -> Any:
    return below + the_inputs(case, below) if case.features <= case.input_size else below


def a_step_late(case: Case, below: Any) -> Any:
    return np.concatenate([below[:, -1:], below[:, :-1]], axis=1)


def layers_in(order: Any) -> Any:
    """Put the weights of the layers above the first into another order."""

    def change(case: Case) -> Case:
        n, cells = case.directions, [case.weights, *case.more_weights]
        places = [0, *order(range(1, case.layers))]
        return with_cells(case, [w for k in places for w in cells[k * n : (k + 1) * n]])

    return change


def exchanged(case: Case) -> Case:
    """Put the weights of all layers into the opposite order, where they fit."""
    n, cells = case.directions, [case.weights, *case.more_weights]
    if len({w.W.shape for w in cells}) > 1:
        return case
    return with_cells(case, [w for k in reversed(range(case.layers)) for w in cells[k * n : (k + 1) * n]])


def missing_above(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    """Hand the outputs of the first layer on through the layers above it."""
    above = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
    if not above or case.merge_mode not in (None, "concat"):
        return run(direction, inputs)
    size = case.features // case.directions
    half = inputs[..., -size:] if direction.name.endswith("backward") else inputs[..., :size]
    return half, direction.start


def of_the_layer_below(*names: str) -> Any:
    """Give each layer above the first some weights of the layer below, where they fit."""

    def change(case: Case) -> Case:
        n, cells = case.directions, [case.weights, *case.more_weights]
        if case.layers == 1:
            return case
        mistaken = cells[:n]
        for own, below in zip(cells[n:], cells, strict=False):
            arrays = {name: getattr(below, name) for name in names}
            fitting = {k: a for k, a in arrays.items() if a is not None and a.shape == getattr(own, k).shape}
            mistaken.append(own._replace(**fitting))
        return with_cells(case, mistaken)

    return change


def biases_of_the_first_layer(case: Case) -> Case:
    """Give all layers the biases of the first."""
    n, cells = case.directions, [case.weights, *case.more_weights]
    return with_cells(
        case,
        [w._replace(b=cells[k % n].b, recurrent_b=cells[k % n].recurrent_b) for k, w in enumerate(cells)],
    )


def initial_layers_reversed(case: Case) -> Case:
    """Begin the last layer with the first one's initial state, and so on."""
    if case.layers == 1 or case.initial_state is None:
        return case
    n = case.directions
    order = [k * n + d for k in reversed(range(case.layers)) for d in range(n)]
    return with_states(case, *(state[order] for state in case.start))


def first_states_for_all(case: Case) -> Case:
    if case.layers == 1 or case.initial_state is None:
        return case
    return with_states(
        case, *(np.concatenate([state[: case.directions]] * case.layers) for state in case.start)
    )


def reshaped(state: Any) -> Any:
    """Read a state (cells, batch, H) as one (batch, cells, H), or the other way round."""
    return state.swapaxes(0, 1).reshape(*state.shape)


def initial_reshaped(case: Case) -> Case:
    several = case.more_weights and case.initial_state is not None
    return with_states(case, *map(reshaped, case.start)) if several else case


def final_reshaped(case: Case, trace: Trace) -> Trace:
    if not case.more_weights:
        return trace
    return Trace(trace.outputs, *map(reshaped, trace.states), hidden_outputs=trace.hidden_outputs)


def ignored_above(*names: str) -> Any:
    """Put zeros for the initial states above the first layer."""

    def change(case: Case) -> Case:
        if case.layers == 1 or case.initial_state is None:
            return case
        states = {name: getattr(case, name).copy() for name in names if getattr(case, name) is not None}
        for state in states.values():
            state[case.directions :] = 0
        return replace(case, **states)

    return change


def last_states_for_all(case: Case, trace: Trace) -> Trace:
    if case.layers == 1:
        return trace
    state: Any = trace.final_state
    last = state[-case.directions :]
    return replace(trace, final_state=np.concatenate([last] * case.layers, axis=0))


def by_direction(case: Case, trace: Trace) -> Trace:
    if case.layers == 1 or not case.merge_mode:
        return trace
    state: Any = trace.final_state
    return replace(trace, final_state=np.concatenate([state[::2], state[1::2]], axis=0))


def unpadded_above(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    above = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
    return (
        run(direction, inputs, None, without_padding(case))
        if above and case.padded
        else run(direction, inputs)
    )


STACKS: dict[str, Mistake] = {
    "stacks_second_layer_fed_the_inputs": Mistake(
        "the layers above the first get the inputs, and not the outputs below",
        run_direction=change_between_layers(the_inputs),
    ),
    "stacks_relu_between_layers": Mistake(
        "relu is applied between the layers",
        run_direction=change_between_layers(lambda case, below: np.maximum(below, 0)),
    ),
    "stacks_residual_connections": Mistake(
        "the inputs are added between the layers", run_direction=change_between_layers(residual)
    ),
    "stacks_layers_one_step_late": Mistake(
        "a layer sees the outputs below of the step before", run_direction=change_between_layers(a_step_late)
    ),
    "stacks_layers_swapped": Mistake(
        "the weights of the layers above the first are in the opposite order",
        change_case=layers_in(lambda above: reversed(above)),
    ),
    "stacks_layers_exchanged": Mistake(
        "the layers are swapped: their weights are in the opposite order", change_case=exchanged
    ),
    "stacks_layers_missing": Mistake("the layers above the first are missing", run_direction=missing_above),
    "stacks_weights_of_the_second_layer_for_all_above": Mistake(
        "all layers above the first have the second's weights",
        change_case=layers_in(lambda above: [1] * len(above)),
    ),
    "stacks_weights_of_the_first_layer_for_all": Mistake(
        "all layers have the first layer's weights",
        change_case=lambda case: layers_in(lambda above: [0] * len(above))(case) if case.layers > 1 else case,
    ),
    "stacks_u_of_the_layer_below": Mistake(
        "the layers above the first have the U of the layer below", change_case=of_the_layer_below("U")
    ),
    "stacks_w_of_the_layer_below": Mistake(
        "the layers above the first have the W of the layer below, where it fits",
        change_case=of_the_layer_below("W"),
    ),
    "stacks_b_of_the_layer_below": Mistake(
        "the layers above the first have the b of the layer below", change_case=of_the_layer_below("b")
    ),
    "stacks_biases_of_the_first_layer_for_all": Mistake(
        "all layers have the first layer's biases", change_case=biases_of_the_first_layer
    ),
    "stacks_initial_states_in_opposite_order": Mistake(
        "the initial states of the layers are in the opposite order", change_case=initial_layers_reversed
    ),
    "stacks_initial_state_of_the_first_layer_for_all": Mistake(
        "all layers begin with the first layer's initial state", change_case=first_states_for_all
    ),
    "stacks_initial_states_reshaped": Mistake(
        "the initial states of layers and directions are reshaped where they should be transposed",
        change_case=initial_reshaped,
    ),
    "stacks_final_states_reshaped": Mistake(
        "the final states of layers and directions are reshaped where they should be transposed",
        change_trace=final_reshaped,
    ),
    "stacks_initial_state_ignored_above": Mistake(
        "the initial state is ignored above the first layer", change_case=ignored_above(STATE)
    ),
    "stacks_initial_states_ignored_above": Mistake(
        "the initial states h and c are ignored above the first layer",
        cells=LSTMS,
        change_case=ignored_above(STATE, CELL_STATE),
    ),
    "stacks_lstm_initial_cell_state_ignored_above": Mistake(
        "the initial cell state is ignored above the first layer",
        cells=LSTMS,
        change_case=ignored_above(CELL_STATE),
    ),
    "stacks_final_state_of_the_last_layer_for_all": Mistake(
        "the final states of all layers are the last layer's", change_trace=last_states_for_all
    ),
    "stacks_states_ordered_by_direction": Mistake(
        "the final states are ordered by direction, all forward ones first; they must be ordered by layer",
        change_trace=by_direction,
    ),
    "stacks_padding_ignored_above": Mistake(
        "the padding is known in the first layer only", run_direction=unpadded_above
    ),
}

# The last output.


def output_at(t: int, mistaken: Any) -> Any:
    """Show the output at t in place of the last one; return the hooks of that mistake."""

    def change_trace(case: Case, trace: Trace) -> Trace:
        if case.return_sequences or not mistaken(case) or not case.time:
            return trace
        return replace(trace, outputs=trace.outputs[:, t])

    def whole(case: Case) -> Case:
        mine = not case.return_sequences and mistaken(case) and case.time
        return replace(case, return_sequences=True) if mine else case

    return {"change_case": whole, "change_trace": change_trace}


def empty_row(case: Case, trace: Trace) -> Trace:
    if case.return_sequences or case.more_weights:
        return trace
    state: Any = trace.final_state
    return replace(trace, outputs=state)


LAST_OUTPUTS: dict[str, Mistake] = {
    "last_output_is_the_first": Mistake(
        "the last output is the first one",
        **output_at(0, lambda case: not case.merge_mode and (not case.reverse or case.padded)),
    ),
    "last_output_of_the_last_column": Mistake(
        "the last output is outputs[:, -1], which is not the last step of every row",
        **output_at(-1, lambda case: (case.padded or case.reverse) and not case.merge_mode),
    ),
    "directions_last_output_of_the_last_column": Mistake(
        "the last output is outputs[:, -1] of both directions; the backward one ends at outputs[:, 0]",
        **output_at(-1, lambda case: case.merge_mode),
    ),
    "last_output_is_the_initial_state_of_an_empty_row": Mistake(
        "the last output of a row without steps is its initial state; it must be zero", change_trace=empty_row
    ),
}
