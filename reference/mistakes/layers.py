"""Mistakes with several cells: directions, layers, the last output."""

from dataclasses import replace
from typing import Any

import numpy as np

from reference.case import Case, Pass
from reference.layer import MERGE_MODES
from reference.mistakes.mistake import Mistake, filled, of_cells, unpadded, with_states
from reference.trace import Trace

Result = Any  # outputs and final state
STATE, CELL_STATE = "initial_state", "initial_cell_state"

# Directions.


def swapped(array: Any) -> Any:
    """States with the directions of each layer swapped."""
    shape = array.shape
    return array.reshape(-1, 2, *shape[1:])[:, ::-1].reshape(*shape)


def weights_swapped(case: Case) -> Case:
    cells = [case.weights, *case.more_weights]
    return of_cells(case, [cells[k ^ 1] for k in range(len(cells))]) if case.merge_mode else case


def forward_weights_for_both(case: Case) -> Case:
    cells = [case.weights, *case.more_weights]
    return of_cells(case, [cells[k - k % 2] for k in range(len(cells))]) if case.merge_mode else case


def initial_swapped(name: str) -> Any:
    def change(case: Case) -> Case:
        state = getattr(case, name)
        return case if state is None or not case.merge_mode else replace(case, **{name: swapped(state)})

    return change


def final_swapped(name: str) -> Any:
    def show(case: Case, trace: Trace) -> Trace:
        return replace(trace, **{name: swapped(getattr(trace, name))}) if case.merge_mode else trace

    return show


def halves_swapped(case: Case, trace: Trace) -> Trace:
    if case.merge_mode != "concat":
        return trace
    first, second = (
        trace.outputs[..., part] for part in (slice(case.hidden_size), slice(case.hidden_size, None))
    )
    return replace(trace, outputs=np.concatenate([second, first], axis=-1))


def backward(case: Case, direction: Pass) -> bool:
    return direction.reverse and case.merge_mode is not None


def not_flipped_back(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
    outputs, final = go(direction, inputs)
    return outputs[:, ::-1] if backward(case, direction) else outputs, final


def both_forward(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
    return go(direction._replace(reverse=direction.reverse and not case.merge_mode), inputs)


def last_column_as_state(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
    outputs, final = go(direction, inputs)
    mistaken = backward(case, direction) and not case.padded and case.time
    return outputs, (outputs[:, -1], *final[1:]) if mistaken else final


def eats_padding(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
    if not backward(case, direction) or not case.padded:
        return go(direction, inputs)
    counts: Any = case.valid[..., None]
    outputs, final = go(direction, inputs, None, unpadded(case))
    return np.where(counts, outputs, 0), final


def merged_by(mode: str) -> Any:
    """The case with another way of merging, where outputs have the same shape."""

    def change(case: Case) -> Case:
        return case if case.merge_mode in (None, "concat") else replace(case, merge_mode=mode)

    return change


directions_weights_swapped = Mistake("the weights of the two directions are swapped", case=weights_swapped)
directions_forward_weights_for_both = Mistake(
    "the backward direction has the forward direction's weights", case=forward_weights_for_both
)
directions_initial_states_swapped = Mistake(
    "the initial states of the two directions are swapped", case=initial_swapped(STATE)
)
directions_final_states_swapped = Mistake(
    "the final states of the two directions are swapped", show=final_swapped("final_state")
)
directions_concatenated_the_other_way = Mistake(
    "the two directions are concatenated the other way round", show=halves_swapped
)
directions_backward_outputs_not_flipped_back = Mistake(
    "the backward outputs are not put back into the order of the inputs", around=not_flipped_back
)
directions_both_forward = Mistake("both directions run forwards", around=both_forward)
directions_backward_final_state_of_the_last_column = Mistake(
    "the backward final state is outputs[:, -1]; it is outputs[:, 0]", around=last_column_as_state
)
directions_backward_eats_the_padding = Mistake(
    "the backward direction begins with the padding, and eats it", case=filled, around=eats_padding
)
MERGED = {
    f"directions_merged_by_{mode}": Mistake(f"the two directions are merged by {mode}", case=merged_by(mode))
    for mode in MERGE_MODES
    if mode != "concat"
}
globals().update(MERGED)
directions_lstm_cell_states_swapped = Mistake(
    "the initial cell states of the two directions are swapped",
    cells=("lstm",),
    case=initial_swapped(CELL_STATE),
)
directions_lstm_final_cell_states_swapped = Mistake(
    "the final cell states of the two directions are swapped",
    cells=("lstm",),
    show=final_swapped("final_cell_state"),
)

# Layers.


def between(change: Any) -> Any:
    """Change, (case, inputs), what each layer but the first gets from the one below."""

    def around(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
        below = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
        return go(direction, change(case, inputs) if below else inputs)

    return around


def the_inputs(case: Case, below: Any) -> Any:
    """The inputs of the case, as many of them as there is room for."""
    room = max(0, case.features - case.input_size)
    return np.pad(filled(case).inputs[..., : case.features], ((0, 0), (0, 0), (0, room)))


def residual(case: Case, below: Any) -> Any:
    return below + the_inputs(case, below) if case.features <= case.input_size else below


def a_step_late(case: Case, below: Any) -> Any:
    return np.concatenate([below[:, -1:], below[:, :-1]], axis=1)


def layers_in(order: Any) -> Any:
    """The case with the weights of its layers above the first in another order."""

    def change(case: Case) -> Case:
        n, cells = case.directions, [case.weights, *case.more_weights]
        places = [0, *order(range(1, case.layers))]
        return of_cells(case, [w for k in places for w in cells[k * n : (k + 1) * n]])

    return change


def first_states_for_all(case: Case) -> Case:
    if case.layers == 1 or case.initial_state is None:
        return case
    return with_states(
        case, *(np.concatenate([state[: case.directions]] * case.layers) for state in case.start)
    )


def reshaped(state: Any) -> Any:
    """(cells, batch, H) read as (batch, cells, H), or the other way round, of the same numbers."""
    return state.swapaxes(0, 1).reshape(*state.shape)


def initial_reshaped(case: Case) -> Case:
    several = case.more_weights and case.initial_state is not None
    return with_states(case, *map(reshaped, case.start)) if several else case


def final_reshaped(case: Case, trace: Trace) -> Trace:
    if not case.more_weights:
        return trace
    return Trace(trace.outputs, *map(reshaped, trace.states), hidden_outputs=trace.hidden_outputs)


def ignored_above(*names: str) -> Any:
    """The case with zeros for the initial states above the first layer."""

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


def unpadded_above(case: Case, go: Any, direction: Pass, inputs: Any) -> Result:
    above = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
    return go(direction, inputs, None, unpadded(case)) if above and case.padded else go(direction, inputs)


stacks_second_layer_fed_the_inputs = Mistake(
    "the layers above the first get the inputs, and not the outputs below", around=between(the_inputs)
)
stacks_relu_between_layers = Mistake(
    "relu is applied between the layers", around=between(lambda case, below: np.maximum(below, 0))
)
stacks_residual_connections = Mistake("the inputs are added between the layers", around=between(residual))
stacks_layers_one_step_late = Mistake(
    "a layer sees the outputs below of the step before", around=between(a_step_late)
)
stacks_layers_swapped = Mistake(
    "the weights of the layers above the first are in the opposite order",
    case=layers_in(lambda above: reversed(above)),
)
stacks_weights_of_the_second_layer_for_all_above = Mistake(
    "all layers above the first have the second's weights", case=layers_in(lambda above: [1] * len(above))
)
stacks_weights_of_the_first_layer_for_all = Mistake(
    "all layers have the first layer's weights",
    case=lambda case: layers_in(lambda above: [0] * len(above))(case) if case.layers > 1 else case,
)
stacks_initial_state_of_the_first_layer_for_all = Mistake(
    "all layers begin with the first layer's initial state", case=first_states_for_all
)
stacks_initial_states_reshaped = Mistake(
    "the initial states of layers and directions are reshaped where they should be transposed",
    case=initial_reshaped,
)
stacks_final_states_reshaped = Mistake(
    "the final states of layers and directions are reshaped where they should be transposed",
    show=final_reshaped,
)
stacks_initial_state_ignored_above = Mistake(
    "the initial state is ignored above the first layer", case=ignored_above(STATE)
)
stacks_initial_states_ignored_above = Mistake(
    "the initial states h and c are ignored above the first layer",
    cells=("lstm",),
    case=ignored_above(STATE, CELL_STATE),
)
stacks_lstm_initial_cell_state_ignored_above = Mistake(
    "the initial cell state is ignored above the first layer", cells=("lstm",), case=ignored_above(CELL_STATE)
)
stacks_final_state_of_the_last_layer_for_all = Mistake(
    "the final states of all layers are the last layer's", show=last_states_for_all
)
stacks_states_ordered_by_direction = Mistake(
    "the final states are ordered by direction, all forward ones first; they must be ordered by layer",
    show=by_direction,
)
stacks_padding_ignored_above = Mistake("the padding is known in the first layer only", around=unpadded_above)

# The last output.


def output_at(t: int, mistaken: Any) -> Any:
    """An output that is not the last, for return_sequences=False."""

    def show(case: Case, trace: Trace) -> Trace:
        if case.return_sequences or not mistaken(case) or not case.time:
            return trace
        return replace(trace, outputs=trace.outputs[:, t])

    def whole(case: Case) -> Case:
        mine = not case.return_sequences and mistaken(case) and case.time
        return replace(case, return_sequences=True) if mine else case

    return {"case": whole, "show": show}


def empty_row(case: Case, trace: Trace) -> Trace:
    if case.return_sequences or case.more_weights:
        return trace
    state: Any = trace.final_state
    return replace(trace, outputs=state)


last_output_is_the_first = Mistake(
    "the last output is the first one", **output_at(0, lambda case: not case.merge_mode)
)
last_output_of_the_last_column = Mistake(
    "the last output is outputs[:, -1], which is not the last step of every row",
    **output_at(-1, lambda case: case.padded),
)
directions_last_output_of_the_last_column = Mistake(
    "the last output is outputs[:, -1] of both directions; the backward one ends at outputs[:, 0]",
    **output_at(-1, lambda case: case.merge_mode and not case.padded),
)
last_output_is_the_initial_state_of_an_empty_row = Mistake(
    "the last output of a row without steps is its initial state; it must be zero", show=empty_row
)
