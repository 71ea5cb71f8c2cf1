"""Faults of bidirectional layers."""

from collections.abc import Callable
from typing import Any

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import directions, gates, stacks
from rnn_lockstep.reference.oracle.case import Direction
from tests.faults.faulty import Array, fault, mistaken, opaque, run_direction, run_layers


def merged_by(mode: str) -> Callable[[Case], bool]:
    return lambda case: case.merge_mode == mode


directions_weights_swapped = mistaken("directions", directions.directions_weights_swapped)
directions_forward_weights_for_both = mistaken("directions", directions.directions_forward_weights_for_both)
directions_initial_states_swapped = mistaken("directions", directions.directions_initial_states_swapped)
directions_final_states_swapped = mistaken("directions", directions.directions_final_states_swapped)
directions_concatenated_the_other_way = mistaken(
    "directions", directions.directions_concatenated_the_other_way
)
directions_backward_outputs_not_flipped_back = mistaken(
    "directions", directions.directions_backward_outputs_not_flipped_back
)
directions_both_forward = mistaken("directions", directions.directions_both_forward)
directions_backward_final_state_of_the_last_column = mistaken(
    "directions", directions.directions_backward_final_state_of_the_last_column
)
directions_last_output_of_the_last_column = mistaken(
    "directions", stacks.directions_last_output_of_the_last_column
)
directions_backward_eats_the_padding = mistaken("directions", directions.directions_backward_eats_the_padding)
directions_lstm_cell_states_swapped = mistaken("directions", directions.directions_lstm_cell_states_swapped)
directions_lstm_final_cell_states_swapped = mistaken(
    "directions", directions.directions_lstm_final_cell_states_swapped
)
directions_averaged_for_summed = mistaken(
    "directions", directions.directions_merged_by_ave, among=merged_by("sum")
)
directions_summed_for_averaged = mistaken(
    "directions", directions.directions_merged_by_sum, among=merged_by("ave")
)
directions_summed_for_multiplied = mistaken(
    "directions", directions.directions_merged_by_sum, among=merged_by("mul")
)
directions_gru_backward_gates_in_onnx_order = mistaken(
    "directions", gates.gru_zrn.scoped("in the backward direction")
)


@fault("directions")
def directions_backward_fed_the_forward_outputs(case: Case) -> Trace:
    """As if the two were a stack."""
    forward: list[Array] = []

    def run(direction: Direction, inputs: Array) -> Any:
        if case.merge_mode and direction.reverse and inputs.shape[-1] == case.hidden_size:
            inputs = forward[-1]
        outputs, final = run_direction(case, direction, inputs)
        forward.append(outputs)
        return outputs, final

    return opaque(run_layers(case, run))
