"""Mistakes with time, the batch, the state and the final state."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import (
    Mistake,
    with_states,
    without_padding,
    zeros_in_padding,
)
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.trace import Trace

# The state.


def without_state(case: Case) -> Case:
    return replace(case, initial_state=None, initial_cell_state=None)


def first_row_for_all(case: Case) -> Case:
    if case.initial_state is None or not case.batch:
        return case
    return with_states(case, *(np.repeat(state[..., :1, :], case.batch, axis=-2) for state in case.start))


def shared(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    first = np.zeros(len(x_t.shape) and x_t.shape[0], int)
    return case.step(x_t, tuple(part[first] for part in state), weights)


def two_steps_ago(case: Case, run: Any, direction: Any, inputs: Any) -> Any:
    earlier = [direction.start]

    def step(t: int, x_t: Any, state: State, weights: Weights) -> State:
        earlier.append(state)
        return case.step(x_t, earlier[-2], weights)

    return run(direction, inputs, step)


STATES: dict[str, Mistake] = {
    "initial_state_ignored": Mistake("the initial state is ignored", change_case=without_state),
    "initial_state_of_the_first_row_for_all": Mistake(
        "all rows begin with the first row's initial state", change_case=first_row_for_all
    ),
    "state_shared_across_the_batch": Mistake(
        "every row of the batch goes on from the first row's state", step=shared
    ),
    "state_of_two_steps_ago": Mistake(
        "each step goes on from the state two steps before", run_direction=two_steps_ago
    ),
}

# Time and the batch.


def inputs_moved(places: int) -> Any:
    return lambda case: replace(case, inputs=np.roll(zeros_in_padding(case).inputs, places, axis=1))


def last_repeated(case: Case) -> Case:
    inputs = zeros_in_padding(case).inputs.copy()
    inputs[:, -1:] = inputs[:, -2:-1] if case.time > 1 else inputs[:, -1:]
    return replace(case, inputs=inputs)


def zeros_first(case: Case) -> Case:
    inputs = zeros_in_padding(case).inputs
    return replace(case, inputs=np.concatenate([0 * inputs[:, :1], inputs[:, :-1]], axis=1))


def biased_at_first(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    return case.step(x_t, state, weights if t == 0 else weights._replace(b=None, recurrent_b=None))


def first_skipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    return state if t == 0 else case.step(x_t, state, weights)


def zeros_skipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    some: Any = case.inputs[:, t].any(axis=1, keepdims=True)
    new = case.step(x_t, state, weights)
    return tuple(np.where(some, n, old) for n, old in zip(new, state, strict=True))


def reshaped_to_batch_first(case: Case) -> Case:
    mixed = zeros_in_padding(case).inputs.reshape(case.time, case.batch, -1).swapaxes(0, 1)
    return replace(case, inputs=np.ascontiguousarray(mixed))


def time_first(case: Case) -> Case:
    """Take the first axis for time and the second for the batch, as torch does without batch_first."""
    if case.padded or not case.return_sequences:
        return case
    kept = case if case.batch == case.time else without_state(case)
    return replace(without_padding(kept), inputs=zeros_in_padding(case).inputs.swapaxes(0, 1))


def swapped_back(case: Case, trace: Trace) -> Trace:
    """Swap the outputs' axes back; the final state is the last output, or as it is if that fits."""
    if not case.return_sequences or case.padded:
        return trace
    outputs: Any = trace.outputs.swapaxes(0, 1)
    if case.batch == case.time or case.more_weights or len(case.start) > 1 or not case.time:
        return replace(trace, outputs=outputs)
    return Trace(outputs, outputs[:, -1])


def opposite(case: Case, trace: Trace) -> Trace:
    mistaken = case.return_sequences and not case.reverse
    return replace(trace, outputs=trace.outputs[:, ::-1]) if mistaken else trace


def outputs_late(case: Case, trace: Trace) -> Trace:
    """Show each step's outputs at the step after it, and zeros at the first."""
    outputs: Any = trace.outputs
    if not case.return_sequences or case.padded or not case.time:
        return trace
    return replace(trace, outputs=np.concatenate([0 * outputs[:, :1], outputs[:, :-1]], axis=1))


def outputs_after(name: str) -> Any:
    """Apply a function to the outputs that are shown, after the layer."""
    return lambda case, trace: (
        trace if case.padded else replace(trace, outputs=ACTIVATIONS[name](trace.outputs))
    )


TIME: dict[str, Mistake] = {
    "inputs_reversed": Mistake(
        "the sequence is run in the opposite direction",
        change_case=lambda case: replace(case, inputs=zeros_in_padding(case).inputs[:, ::-1]),
    ),
    "outputs_reversed": Mistake("the outputs are in the opposite order", change_trace=opposite),
    "outputs_one_step_late": Mistake("the outputs are one step late", change_trace=outputs_late),
    **{
        f"{name}_of_the_outputs": Mistake(
            f"{name} is applied to the outputs, after the layer", change_trace=outputs_after(name)
        )
        for name in ("relu", "tanh", "sigmoid")
    },
    "inputs_one_step_late": Mistake("the inputs are one step late", change_case=inputs_moved(1)),
    "inputs_one_step_late_zeros_first": Mistake(
        "each step gets the input of the step before, and the first one zeros", change_case=zeros_first
    ),
    "biases_at_the_first_step_only": Mistake(
        "the biases are added at the first step only", step=biased_at_first
    ),
    "inputs_one_step_early": Mistake("the inputs are one step early", change_case=inputs_moved(-1)),
    "last_step_repeated": Mistake(
        "the last step's input is that of the step before", change_case=last_repeated
    ),
    "first_step_skipped": Mistake("the first step is skipped", step=first_skipped),
    "steps_of_zeros_taken_for_padding": Mistake(
        "steps whose input is all zeros are taken for padding and skipped", step=zeros_skipped
    ),
}
BATCH: dict[str, Mistake] = {
    "rows_mixed": Mistake(
        "the rows of the batch are mixed up",
        change_case=lambda case: replace(case, inputs=np.roll(zeros_in_padding(case).inputs, 1, axis=0)),
    ),
    "time_and_batch_mixed_up": Mistake(
        "inputs are reshaped from (time, batch) where they should be transposed",
        change_case=reshaped_to_batch_first,
    ),
    "batch_first_forgotten": Mistake(
        "batch and time are mixed up: the layer runs over the batch (batch_first is missing)",
        change_case=time_first,
        change_trace=swapped_back,
    ),
}

# The final state of a single cell, from its outputs.


def one_cell(case: Case) -> bool:
    return not case.more_weights and case.return_sequences and case.time > 0


def final_from(t: int) -> Any:
    """Show the output of a step in place of the final state."""

    def change_trace(case: Case, trace: Trace) -> Trace:
        if not one_cell(case) or case.time < abs(t):
            return trace
        return replace(trace, final_state=trace.outputs[:, t])

    return change_trace


def last_column(case: Case, trace: Trace) -> Trace:
    mistaken = case.reverse and not case.padded and case.time and case.return_sequences
    return replace(trace, final_state=trace.outputs[:, -1]) if mistaken else trace


def zero_without_steps(case: Case, trace: Trace) -> Trace:
    if not case.padded:
        return trace if case.time else replace(trace, final_state=np.zeros(case.state_shape, case.dtype))
    empty: Any = ~case.valid.any(axis=1, keepdims=True)
    state: Any = trace.final_state
    return replace(trace, final_state=np.where(empty, 0, state))


FINAL_STATES: dict[str, Mistake] = {
    "final_state_is_zero": Mistake(
        "the final state is zeros", change_trace=lambda case, trace: replace(trace, final_state=0 * case.h0)
    ),
    "final_state_is_the_initial": Mistake(
        "the final state is the initial state",
        change_trace=lambda case, trace: replace(trace, final_state=case.h0),
    ),
    "final_state_is_zero_without_steps": Mistake(
        "the final state of a row without steps is zeros; it must be the initial state",
        change_trace=zero_without_steps,
    ),
    "final_state_of_the_step_before": Mistake(
        "the final state is that of the step before the last", change_trace=final_from(-2)
    ),
    "final_state_of_the_first_step": Mistake(
        "the final state is that after the first step", change_trace=final_from(0)
    ),
    "reverse_final_state_of_the_last_column": Mistake(
        "the final state is outputs[:, -1]; a reverse layer ends at outputs[:, 0]", change_trace=last_column
    ),
    "final_state_of_the_last_column": Mistake(
        "the final state is outputs[:, -1], which is not the last step of every row",
        change_trace=final_from(-1),
    ),
}
