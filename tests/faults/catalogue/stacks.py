"""Faults of several layers on top of each other, and of returning the last output only."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import stacks, weights
from rnn_lockstep.reference.diagnosis.mistakes.mistake import filled
from rnn_lockstep.reference.oracle.case import Direction
from tests.faults.faulty import (
    Array,
    Memory,
    fault,
    mistaken,
    opaque,
    run_cell,
    run_direction,
    run_layers,
    to_bits,
)

stacks_second_layer_fed_the_inputs = mistaken("stacks", stacks.stacks_second_layer_fed_the_inputs)
stacks_relu_between_layers = mistaken("stacks", stacks.stacks_relu_between_layers)
stacks_residual_connections = mistaken("stacks", stacks.stacks_residual_connections)
stacks_layers_one_step_late = mistaken("stacks", stacks.stacks_layers_one_step_late)
stacks_layers_swapped = mistaken("stacks", stacks.stacks_layers_swapped)
stacks_weights_of_the_second_layer_for_all_above = mistaken(
    "stacks", stacks.stacks_weights_of_the_second_layer_for_all_above
)
stacks_initial_state_of_the_first_layer_for_all = mistaken(
    "stacks", stacks.stacks_initial_state_of_the_first_layer_for_all
)
stacks_initial_states_reshaped = mistaken("stacks", stacks.stacks_initial_states_reshaped)
stacks_final_states_reshaped = mistaken("stacks", stacks.stacks_final_states_reshaped)
stacks_initial_state_ignored_above = mistaken("stacks", stacks.stacks_initial_state_ignored_above)
stacks_final_state_of_the_last_layer_for_all = mistaken(
    "stacks", stacks.stacks_final_state_of_the_last_layer_for_all
)
stacks_states_ordered_by_direction = mistaken("stacks", stacks.stacks_states_ordered_by_direction)
stacks_lstm_initial_cell_state_ignored_above = mistaken(
    "stacks", stacks.stacks_lstm_initial_cell_state_ignored_above
)
stacks_u_transposed_above = mistaken("stacks", weights.u_transposed.scoped("above the first layer"))
stacks_bias_dropped_above = mistaken("stacks", weights.bias_dropped.scoped("above the first layer"))
last_output_is_the_first = mistaken("last output", stacks.last_output_is_the_first)
last_output_of_the_last_column = mistaken("last output", stacks.last_output_of_the_last_column)
last_output_is_the_initial_state_of_an_empty_row = mistaken(
    "last output", stacks.last_output_is_the_initial_state_of_an_empty_row
)


def between(case: Case, change: Callable[[Array], Array]) -> Trace:
    """The inputs of all layers but the first changed."""

    def run(direction: Direction, inputs: Array) -> Any:
        first = inputs is case.inputs
        return run_direction(case, direction, inputs if first else change(inputs).astype(case.dtype))

    return opaque(run_layers(case, run))


@fault("stacks", remembers=True)
def stacks_dropout_left_on(case: Case, memory: Memory) -> Trace:
    rng = memory.setdefault("rng", np.random.default_rng(0))
    return between(case, lambda outputs: outputs * (rng.random(outputs.shape) < 0.9) / 0.9)


@fault("stacks")
def stacks_dropout_not_random(case: Case) -> Trace:
    """The same units dropped every time, which no repetition shows."""
    return between(case, lambda outputs: outputs * (np.arange(outputs.shape[-1]) != 1))


@fault("stacks", explained="only as exact as")
def stacks_outputs_between_rounded_to_bfloat16(case: Case) -> Trace:
    return between(case, lambda outputs: to_bits(outputs, 8))


@fault("stacks")
def stacks_lengths_ignored_above(case: Case) -> Trace:
    whole = replace(filled(case), lengths=None, mask=None)

    def run(direction: Direction, inputs: Array) -> Any:
        return run_direction(case if inputs is case.inputs else whole, direction, inputs)

    return opaque(replace(run_layers(case, run), outputs=run_layers(case).outputs))


@fault("stacks", cell="lstm")
def stacks_lstm_layers_fed_the_cell_state(case: Case) -> Trace:
    """The layer above gets tanh(c) for h."""
    if case.layers == 1 or case.merge_mode:
        return run_cell(case)

    def run(direction: Direction, inputs: Array) -> Any:
        _, final = run_direction(case, direction, inputs)
        return np.where(case.valid[..., None], np.tanh(final[1])[:, None], 0).astype(case.dtype), final

    right = run_cell(case)
    return replace(right, final_state=run_layers(case, run).final_state)
