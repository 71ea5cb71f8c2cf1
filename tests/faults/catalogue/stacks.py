"""Faults of several layers on top of each other, and of returning the last output only."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adapters import Case, Trace
from reference.case import Pass
from reference.stack import run_cell as run_direction
from tests.faults.catalogue.directions import cell_weights, with_weights
from tests.faults.catalogue.lengths import filled
from tests.faults.faulty import Array, Memory, fault, opaque, run_cell, run_layers, to_bits


def above(case: Case, change: Callable[[Any], Any]) -> Case:
    """The case with the weights of all layers but the first changed."""
    cells = cell_weights(case)
    return with_weights(case, [w if k < case.directions else change(w) for k, w in enumerate(cells)])


def between(case: Case, change: Callable[[Array], Array]) -> Trace:
    """The inputs of all layers but the first changed."""

    def run(direction: Pass, inputs: Array) -> Any:
        first = inputs is case.inputs
        return run_direction(case, direction, inputs if first else change(inputs).astype(case.dtype))

    return opaque(run_layers(case, run))


@fault("stacks")
def stacks_second_layer_fed_the_inputs(case: Case) -> Trace:
    """As many of them as it has room for."""
    room = case.features - case.input_size
    inputs = np.pad(filled(case).inputs[..., : case.features], ((0, 0), (0, 0), (0, max(0, room))))
    return between(case, lambda outputs: inputs)


@fault("stacks", remembers=True)
def stacks_dropout_left_on(case: Case, memory: Memory) -> Trace:
    rng = memory.setdefault("rng", np.random.default_rng(0))
    return between(case, lambda outputs: outputs * (rng.random(outputs.shape) < 0.9) / 0.9)


@fault("stacks")
def stacks_dropout_not_random(case: Case) -> Trace:
    """The same units dropped every time, which no repetition shows."""
    return between(case, lambda outputs: outputs * (np.arange(outputs.shape[-1]) != 1))


@fault("stacks")
def stacks_outputs_between_rounded_to_bfloat16(case: Case) -> Trace:
    return between(case, lambda outputs: to_bits(outputs, 8))


@fault("stacks")
def stacks_relu_between_layers(case: Case) -> Trace:
    return between(case, lambda outputs: np.maximum(outputs, 0))


@fault("stacks")
def stacks_residual_connections(case: Case) -> Trace:
    fits = case.features <= case.input_size
    return between(case, lambda o: o + filled(case).inputs[..., : case.features] if fits else o)


@fault("stacks")
def stacks_layers_one_step_late(case: Case) -> Trace:
    """A layer sees the outputs below of the step before, as in a pipeline."""
    return between(case, lambda outputs: np.roll(outputs, 1, axis=1))


@fault("stacks")
def stacks_layers_swapped(case: Case) -> Trace:
    cells, n = cell_weights(case), case.directions
    swap = case.layers == 3
    return run_cell(with_weights(case, [*cells[:n], *cells[2 * n :], *cells[n : 2 * n]]) if swap else case)


@fault("stacks")
def stacks_weights_of_the_second_layer_for_all_above(case: Case) -> Trace:
    cells, n = cell_weights(case), case.directions
    return run_cell(with_weights(case, [*cells[:n], *(cells[n : 2 * n] * (case.layers - 1))]))


@fault("stacks")
def stacks_u_transposed_above(case: Case) -> Trace:
    return run_cell(above(case, lambda w: w._replace(U=w.U.T.copy())))


@fault("stacks")
def stacks_bias_dropped_above(case: Case) -> Trace:
    return run_cell(above(case, lambda w: w._replace(b=None if w.b is None else 0 * w.b)))


@fault("stacks")
def stacks_initial_state_of_the_first_layer_for_all(case: Case) -> Trace:
    if case.layers == 1:
        return run_cell(case)
    first = case.h0[: case.directions]
    return run_cell(replace(case, initial_state=np.concatenate([first] * case.layers)))


@fault("stacks")
def stacks_initial_state_ignored_above(case: Case) -> Trace:
    if case.layers == 1:
        return run_cell(case)
    state = case.h0.copy()
    state[case.directions :] = 0
    return run_cell(replace(case, initial_state=state))


@fault("stacks")
def stacks_final_state_of_the_last_layer_for_all(case: Case) -> Trace:
    trace = run_cell(case)
    if case.layers == 1:
        return trace
    last = trace.final_state[-case.directions :]
    return replace(trace, final_state=np.concatenate([last] * case.layers))


@fault("stacks")
def stacks_states_ordered_by_direction(case: Case) -> Trace:
    """All forward states, then all backward ones, instead of layer by layer."""
    trace = run_cell(case)
    if case.layers == 1 or not case.merge_mode:
        return trace
    return replace(trace, final_state=np.concatenate([trace.final_state[::2], trace.final_state[1::2]]))


@fault("stacks")
def stacks_lengths_ignored_above(case: Case) -> Trace:
    whole = replace(filled(case), lengths=None, mask=None)

    def run(direction: Pass, inputs: Array) -> Any:
        return run_direction(case if inputs is case.inputs else whole, direction, inputs)

    return opaque(replace(run_layers(case, run), outputs=run_layers(case).outputs))


@fault("stacks", cell="lstm")
def stacks_lstm_initial_cell_state_ignored_above(case: Case) -> Trace:
    if case.layers == 1 or case.initial_cell_state is None:
        return run_cell(case)
    state = case.c0.copy()
    state[case.directions :] = 0
    return run_cell(replace(case, initial_cell_state=state))


@fault("stacks", cell="lstm")
def stacks_lstm_layers_fed_the_cell_state(case: Case) -> Trace:
    """The layer above gets tanh(c) for h."""
    if case.layers == 1 or case.merge_mode:
        return run_cell(case)

    def run(direction: Pass, inputs: Array) -> Any:
        _, final = run_direction(case, direction, inputs)
        return np.where(case.valid[..., None], np.tanh(final[1])[:, None], 0).astype(case.dtype), final

    right = run_cell(case)
    return replace(right, final_state=run_layers(case, run).final_state)


@fault("last output")
def last_output_is_the_first(case: Case) -> Trace:
    if case.return_sequences or case.merge_mode:
        return run_cell(case)
    whole = run_layers(replace(case, return_sequences=True))
    return opaque(replace(whole, outputs=whole.outputs[:, 0]))


@fault("last output")
def last_output_of_the_last_column(case: Case) -> Trace:
    """`outputs[:, -1]` though the rows have different lengths."""
    if case.return_sequences or not case.padded:
        return run_cell(case)
    whole = run_layers(replace(case, return_sequences=True))
    return opaque(replace(whole, outputs=whole.outputs[:, -1]))


@fault("last output")
def last_output_is_the_initial_state_of_an_empty_row(case: Case) -> Trace:
    trace = run_cell(case)
    if case.return_sequences or case.more_weights:
        return trace
    return replace(trace, outputs=trace.final_state.copy())
