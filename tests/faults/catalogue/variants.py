"""Known mistakes made in some cases only, where it takes more to see them."""

from collections.abc import Callable

import numpy as np

from rnn_lockstep.adapters import Case
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from tests.faults.faulty import Fault, planted

Among = Callable[[Case], bool]


def variant(name: str, family: str, mistake: str, among: Among, *cells: str) -> Fault:
    """Plant a known mistake in some cases, of the cells named or of all."""
    only = {"cells": cells} if cells else {}
    return planted(name, family, MISTAKES[mistake], among=among, **only)


def scoped(name: str, family: str, mistake: str, scope: str) -> Fault:
    """Plant a known mistake with the weights of some cells of a case only."""
    return planted(name, family, MISTAKES[mistake].only_in(scope))


def power_of_two_steps(case: Case) -> bool:
    """Choose sequences of 1, 2, 4, 8, ... steps."""
    return case.time & (case.time - 1) == 0


def power_of_two_steps_from_8(case: Case) -> bool:
    """Choose sequences of 8, 16, 32, ... steps."""
    return case.time >= 8 and power_of_two_steps(case)


def odd_steps(case: Case) -> bool:
    """Choose sequences of an odd number of steps."""
    return case.time % 2 == 1


def multiple_of_8(size: str) -> Among:
    """Choose cases of which a size is a multiple of 8."""
    return lambda case: getattr(case, size) >= 8 and getattr(case, size) % 8 == 0


def single_and_over(size: str, most: int) -> Among:
    """Choose cases in float32 of which a size is larger."""
    return lambda case: case.dtype == np.float32 and getattr(case, size) > most


def beyond(size: str, most: int) -> Among:
    """Choose cases of which a size is larger."""
    return lambda case: getattr(case, size) > most


def merged_by(mode: str) -> Among:
    """Choose bidirectional layers that are merged in a way."""
    return lambda case: case.merge_mode == mode


def half(case: Case) -> bool:
    """Choose float16 and bfloat16."""
    return case.dtype.itemsize == 2


def has_lengths(case: Case) -> bool:
    """Choose cases with padding after each sequence."""
    return case.lengths is not None


def has_mask(case: Case) -> bool:
    """Choose cases with padding anywhere."""
    return case.mask is not None


def backwards(case: Case) -> bool:
    """Choose layers that run backwards."""
    return case.reverse


def hard(case: Case) -> bool:
    """Choose gates with the hard sigmoid."""
    return case.recurrent_activation == "hard_sigmoid"


def every(case: Case) -> bool:
    """Choose all cases."""
    return True


SIMPLE, GRU, LSTM, PEEPHOLES = "simple_rnn", "gru", "lstm", "peephole_lstm"
ABOVE, BACKWARD = "above the first layer", "in the backward direction"
VARIANTS = (
    variant("u_transposed_over_16_units", "size", "u_transposed", beyond("hidden_size", 16), SIMPLE),
    variant("u_transposed_over_64_units", "size", "u_transposed", beyond("hidden_size", 64), SIMPLE),
    variant("bias_dropped_where_time_is_a_power_of_two", "size", "bias_dropped", power_of_two_steps, SIMPLE),
    variant("gru_bias_dropped_where_time_is_odd", "size", "bias_dropped", odd_steps, GRU),
    variant("bias_dropped_in_batches_of_8_16_24", "size", "bias_dropped", multiple_of_8("batch"), SIMPLE),
    variant("bias_dropped_over_8_16_32_steps", "size", "bias_dropped", power_of_two_steps_from_8, SIMPLE),
    variant(
        "gru_gates_in_order_zrn_of_8_16_24_units",
        "size",
        "gru_gates_in_order_zrn",
        multiple_of_8("hidden_size"),
    ),
    variant("bias_dropped_of_8_16_24_inputs", "size", "bias_dropped", multiple_of_8("input_size"), GRU),
    variant(
        "lstm_forget_gate_plus_one_in_float32_over_128_units",
        "size",
        "lstm_forget_gate_plus_one",
        single_and_over("hidden_size", 128),
    ),
    variant(
        "lstm_initial_cell_state_ignored_in_float32_over_64_steps",
        "size",
        "lstm_initial_cell_state_ignored",
        single_and_over("time", 64),
    ),
    variant("gru_bias_dropped_in_batches_over_255", "size", "bias_dropped", beyond("batch", 255), GRU),
    variant("lstm_bias_dropped_over_256_inputs", "size", "bias_dropped", beyond("input_size", 256), LSTM),
    variant("gru_bias_dropped_over_256_units", "size", "bias_dropped", beyond("hidden_size", 256), GRU),
    variant("lengths_ignored_in_half_types", "half types", "lengths_ignored", half),
    variant("reverse_ignored_in_half_types", "half types", "reverse_ignored", half),
    variant("stacks_layers_missing_in_half_types", "half types", "stacks_layers_missing", half),
    variant("bias_dropped_in_half_types", "half types", "bias_dropped", half, SIMPLE),
    variant("u_transposed_in_half_types", "half types", "u_transposed", half, SIMPLE),
    variant("initial_state_ignored_in_half_types", "half types", "initial_state_ignored", half, SIMPLE),
    variant("gru_gates_in_order_zrn_in_half_types", "half types", "gru_gates_in_order_zrn", half),
    variant("lstm_forget_gate_plus_one_in_half_types", "half types", "lstm_forget_gate_plus_one", half),
    variant("bias_dropped_of_a_simple_rnn", "weights", "bias_dropped", every, SIMPLE),
    variant("initial_state_ignored_of_a_gru", "gru", "initial_state_ignored", every, GRU),
    variant("hard_sigmoid_of_keras_2_for_keras_3", "gates", "hard_sigmoid_of_keras_2", hard, GRU),
    variant("recurrent_bias_dropped_of_an_lstm", "lstm", "recurrent_bias_dropped", every, LSTM),
    variant("u_transposed_with_peepholes", "peepholes", "u_transposed", every, PEEPHOLES),
    variant("bias_dropped_with_peepholes", "peepholes", "bias_dropped", every, PEEPHOLES),
    variant("gates_in_order_iofg_with_peepholes", "peepholes", "lstm_gates_in_order_iofg", every, PEEPHOLES),
    variant(
        "final_states_swapped_with_peepholes", "peepholes", "lstm_final_states_swapped", every, PEEPHOLES
    ),
    variant("lengths_ignored_masks_known", "padding", "lengths_ignored", has_lengths),
    variant("outputs_alive_after_the_end", "padding", "outputs_alive_on_padding", has_lengths),
    variant("outputs_alive_on_masked_steps", "padding", "outputs_alive_on_padding", has_mask),
    variant("final_state_runs_on_after_the_end", "padding", "final_state_runs_on", has_lengths, SIMPLE),
    variant("gru_final_state_runs_on_after_the_end", "padding", "final_state_runs_on", has_lengths, GRU),
    variant(
        "final_state_is_zero_of_an_empty_row",
        "padding",
        "final_state_is_zero_without_steps",
        lambda case: case.padded,
    ),
    variant("reverse_eats_the_padding_after_the_end", "reverse", "reverse_eats_the_padding", has_lengths),
    variant("reverse_initial_state_ignored", "reverse", "initial_state_ignored", backwards, SIMPLE),
    variant("reverse_lstm_cell_state_ignored", "reverse", "lstm_initial_cell_state_ignored", backwards),
    variant("directions_averaged_for_summed", "directions", "directions_merged_by_ave", merged_by("sum")),
    variant("directions_summed_for_averaged", "directions", "directions_merged_by_sum", merged_by("ave")),
    variant("directions_summed_for_multiplied", "directions", "directions_merged_by_sum", merged_by("mul")),
    scoped("directions_gru_backward_gates_in_order_zrn", "directions", "gru_gates_in_order_zrn", BACKWARD),
    scoped("stacks_u_transposed_above", "stacks", "u_transposed", ABOVE),
    scoped("stacks_bias_dropped_above", "stacks", "bias_dropped", ABOVE),
)
