"""Faults of bidirectional layers."""

from dataclasses import replace
from typing import Any

import numpy as np

from adapters import Case, Trace
from reference.case import Pass
from reference.stack import run_cell as run_direction
from tests.faults.catalogue.gru import reordered
from tests.faults.catalogue.lengths import filled
from tests.faults.faulty import Array, fault, opaque, run_cell, run_layers


def swapped(array: Array | None) -> Array | None:
    """States, or other things of cells, with the directions of each layer swapped."""
    return None if array is None else array.reshape(-1, 2, *array.shape[1:])[:, ::-1].reshape(array.shape)


def cell_weights(case: Case) -> list[Any]:
    return [case.weights, *case.more_weights]


def with_weights(case: Case, cells: list[Any]) -> Case:
    """The case with other weights of its cells."""
    return replace(case, **cells[0]._asdict(), more_weights=tuple(cells[1:]))


@fault("directions")
def directions_weights_swapped(case: Case) -> Trace:
    if not case.merge_mode:
        return run_cell(case)
    cells = cell_weights(case)
    order = [k ^ 1 for k in range(len(cells))]
    return run_cell(with_weights(case, [cells[k] for k in order]))


@fault("directions")
def directions_initial_states_swapped(case: Case) -> Trace:
    return run_cell(replace(case, initial_state=swapped(case.initial_state)) if case.merge_mode else case)


@fault("directions")
def directions_final_states_swapped(case: Case) -> Trace:
    trace = run_cell(case)
    return replace(trace, final_state=swapped(trace.final_state)) if case.merge_mode else trace


@fault("directions")
def directions_concatenated_the_other_way(case: Case) -> Trace:
    trace = run_cell(case)
    last = case.merge_mode == "concat"
    return replace(trace, outputs=np.roll(trace.outputs, case.hidden_size, axis=-1)) if last else trace


@fault("directions")
def directions_backward_outputs_not_flipped_back(case: Case) -> Trace:
    def run(direction: Pass, inputs: Array) -> Any:
        outputs, final = run_direction(case, direction, inputs)
        return outputs[:, ::-1] if direction.reverse and case.merge_mode else outputs, final

    return opaque(run_layers(case, run))


@fault("directions")
def directions_both_forward(case: Case) -> Trace:
    def run(direction: Pass, inputs: Array) -> Any:
        reverse = direction.reverse and not case.merge_mode
        return run_direction(case, direction._replace(reverse=reverse), inputs)

    return opaque(run_layers(case, run))


@fault("directions")
def directions_backward_fed_the_forward_outputs(case: Case) -> Trace:
    """As if the two were a stack."""
    forward: list[Array] = []

    def run(direction: Pass, inputs: Array) -> Any:
        if case.merge_mode and direction.reverse and inputs.shape[-1] == case.hidden_size:
            inputs = forward[-1]
        outputs, final = run_direction(case, direction, inputs)
        forward.append(outputs)
        return outputs, final

    return opaque(run_layers(case, run))


@fault("directions")
def directions_backward_final_state_of_the_last_column(case: Case) -> Trace:
    """`outputs[:, -1]` taken as the backward final state; it is that after one step."""

    def run(direction: Pass, inputs: Array) -> Any:
        outputs, final = run_direction(case, direction, inputs)
        mistaken = case.merge_mode and direction.reverse and not case.padded
        return outputs, (outputs[:, -1], *final[1:]) if mistaken else final

    trace = run_layers(case, run)
    return opaque(replace(trace, outputs=run_layers(case).outputs))


@fault("directions")
def directions_last_output_of_the_last_column(case: Case) -> Trace:
    """`outputs[:, -1]` of both directions, for return_sequences=False."""
    whole = run_layers(replace(case, return_sequences=True))
    mistaken = case.merge_mode and not case.return_sequences and not case.padded and case.time
    return opaque(replace(whole, outputs=whole.outputs[:, -1] if mistaken else run_layers(case).outputs))


@fault("directions")
def directions_averaged_for_summed(case: Case) -> Trace:
    return run_cell(replace(case, merge_mode="ave") if case.merge_mode == "sum" else case)


@fault("directions")
def directions_summed_for_averaged(case: Case) -> Trace:
    return run_cell(replace(case, merge_mode="sum") if case.merge_mode == "ave" else case)


@fault("directions")
def directions_summed_for_multiplied(case: Case) -> Trace:
    return run_cell(replace(case, merge_mode="sum") if case.merge_mode == "mul" else case)


@fault("directions")
def directions_backward_eats_the_padding(case: Case) -> Trace:
    """The backward direction begins with the padding, here zeros."""
    if not case.merge_mode or not case.padded:
        return run_cell(case)
    whole = replace(filled(case), lengths=None, mask=None)

    def run(direction: Pass, inputs: Array) -> Any:
        outputs, final = run_direction(whole if direction.reverse else case, direction, inputs)
        return np.where(case.valid[..., None], outputs, 0), final

    return opaque(run_layers(filled(case), run))


@fault("directions", cell="lstm")
def directions_lstm_cell_states_swapped(case: Case) -> Trace:
    both = case.merge_mode
    return run_cell(replace(case, initial_cell_state=swapped(case.initial_cell_state)) if both else case)


@fault("directions", cell="lstm")
def directions_lstm_final_cell_states_swapped(case: Case) -> Trace:
    trace = run_cell(case)
    return replace(trace, final_cell_state=swapped(trace.final_cell_state)) if case.merge_mode else trace


@fault("directions", cell="gru")
def directions_gru_backward_gates_in_onnx_order(case: Case) -> Trace:
    """The forward direction's weights are put in order, the backward one's are not."""
    cells = cell_weights(case)
    for k in range(1, len(cells), 2) if case.merge_mode else ():
        cells[k] = type(cells[k])(*(None if w is None else reordered(w, [1, 0, 2]) for w in cells[k]))
    return run_cell(with_weights(case, cells))
