"""Mistakes with the two directions of a layer."""

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
    without_padding,
    zeros_in_padding,
)
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.layer import MERGE_MODES
from rnn_lockstep.reference.oracle.trace import Trace


def swapped(array: Any) -> Any:
    """Swap the directions of each layer in states (cells, batch, H)."""
    shape = array.shape
    return array.reshape(-1, 2, *shape[1:])[:, ::-1].reshape(*shape)


def weights_swapped(case: Case) -> Case:
    cells = [case.weights, *case.more_weights]
    return with_cells(case, [cells[k ^ 1] for k in range(len(cells))]) if case.merge_mode else case


def forward_weights_for_both(case: Case) -> Case:
    cells = [case.weights, *case.more_weights]
    return with_cells(case, [cells[k - k % 2] for k in range(len(cells))]) if case.merge_mode else case


def initial_swapped(name: str) -> Any:
    def change(case: Case) -> Case:
        state = getattr(case, name)
        return case if state is None or not case.merge_mode else replace(case, **{name: swapped(state)})

    return change


def final_swapped(name: str) -> Any:
    def change_trace(case: Case, trace: Trace) -> Trace:
        return replace(trace, **{name: swapped(getattr(trace, name))}) if case.merge_mode else trace

    return change_trace


def halves_swapped(case: Case, trace: Trace) -> Trace:
    if case.merge_mode != "concat":
        return trace
    first, second = (
        trace.outputs[..., part] for part in (slice(case.hidden_size), slice(case.hidden_size, None))
    )
    return replace(trace, outputs=np.concatenate([second, first], axis=-1))


def backward(case: Case, direction: Direction) -> bool:
    return direction.reverse and case.merge_mode is not None


def not_flipped_back(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    outputs, final = run(direction, inputs)
    return outputs[:, ::-1] if backward(case, direction) else outputs, final


def both_forward(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    return run(direction._replace(reverse=direction.reverse and not case.merge_mode), inputs)


def last_column_as_state(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    outputs, final = run(direction, inputs)
    mistaken = backward(case, direction) and not case.padded and case.time
    return outputs, (outputs[:, -1], *final[1:]) if mistaken else final


def eats_padding(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    if not backward(case, direction) or not case.padded:
        return run(direction, inputs)
    counts: Any = case.valid[..., None]
    outputs, final = run(direction, inputs, None, without_padding(case))
    return np.where(counts, outputs, 0), final


def merged_by(mode: str) -> Any:
    """Merge in another way, where outputs have the same shape."""

    def change(case: Case) -> Case:
        return case if case.merge_mode in (None, "concat") else replace(case, merge_mode=mode)

    return change


MERGED = {
    f"directions_merged_by_{mode}": Mistake(
        f"the two directions are merged by {mode}", change_case=merged_by(mode)
    )
    for mode in MERGE_MODES
    if mode != "concat"
}
DIRECTIONS: dict[str, Mistake] = {
    "directions_weights_swapped": Mistake(
        "the weights of the two directions are swapped", change_case=weights_swapped
    ),
    "directions_forward_weights_for_both": Mistake(
        "the backward direction has the forward direction's weights", change_case=forward_weights_for_both
    ),
    "directions_initial_states_swapped": Mistake(
        "the initial states of the two directions are swapped", change_case=initial_swapped(STATE)
    ),
    "directions_final_states_swapped": Mistake(
        "the final states of the two directions are swapped", change_trace=final_swapped("final_state")
    ),
    "directions_concatenated_the_other_way": Mistake(
        "the two directions are concatenated the other way round", change_trace=halves_swapped
    ),
    "directions_backward_outputs_not_flipped_back": Mistake(
        "the backward outputs are not put back into the order of the inputs", run_direction=not_flipped_back
    ),
    "directions_both_forward": Mistake("both directions run forwards", run_direction=both_forward),
    "directions_backward_final_state_of_the_last_column": Mistake(
        "the backward final state is outputs[:, -1]; it is outputs[:, 0]", run_direction=last_column_as_state
    ),
    "directions_backward_eats_the_padding": Mistake(
        "the backward direction begins with the padding, and eats it",
        change_case=zeros_in_padding,
        run_direction=eats_padding,
    ),
    "directions_lstm_cell_states_swapped": Mistake(
        "the initial cell states of the two directions are swapped",
        cells=LSTMS,
        change_case=initial_swapped(CELL_STATE),
    ),
    "directions_lstm_final_cell_states_swapped": Mistake(
        "the final cell states of the two directions are swapped",
        cells=LSTMS,
        change_trace=final_swapped("final_cell_state"),
    ),
}
