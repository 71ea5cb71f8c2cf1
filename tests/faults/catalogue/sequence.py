"""Faults of the state, of time, of the batch and of the final state."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import sequence
from tests.faults.faulty import Memory, mistaken, right_step, run, simple_fault

initial_state_ignored = mistaken("state", sequence.initial_state_ignored, simple=True)
initial_state_of_the_first_row_for_all = mistaken(
    "state", sequence.initial_state_of_the_first_row_for_all, simple=True
)
state_shared_across_the_batch = mistaken("state", sequence.state_shared_across_the_batch, simple=True)
state_of_two_steps_ago = mistaken("state", sequence.state_of_two_steps_ago, simple=True)
time_reversed = mistaken("time", sequence.inputs_reversed, simple=True)
outputs_reversed = mistaken("time", sequence.outputs_reversed, simple=True)
inputs_one_step_late = mistaken("time", sequence.inputs_one_step_late, simple=True)
last_step_repeated = mistaken("time", sequence.last_step_repeated, simple=True)
first_step_skipped = mistaken("time", sequence.first_step_skipped, simple=True)
steps_of_zeros_taken_for_padding = mistaken("time", sequence.steps_of_zeros_taken_for_padding, simple=True)
rows_mixed = mistaken("batch", sequence.rows_mixed, simple=True)
time_and_batch_mixed_up = mistaken("batch", sequence.time_and_batch_mixed_up, simple=True)
final_state_of_the_step_before = mistaken("final state", sequence.final_state_of_the_step_before, simple=True)
final_state_of_the_first_step = mistaken("final state", sequence.final_state_of_the_first_step, simple=True)
final_state_is_zero_without_steps = mistaken(
    "final state", sequence.final_state_is_zero_without_steps, simple=True
)


@simple_fault("state", remembers=True, explained="something is kept between calls")
def state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("state")
    if case.initial_state is None and last is not None and last.shape == case.h0.shape:
        case = replace(case, initial_state=last.astype(case.dtype))
    trace = run(case)
    if np.isfinite(trace.final_state).all():
        memory["state"] = trace.final_state
    return trace


@simple_fault("state", explained="U·h is missing")
def state_reset_at_step_200(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, 0 * h if t == 200 else h, c))


@simple_fault("state", remembers=True)
def every_second_call_starts_elsewhere(case: Case, memory: Memory) -> Trace:
    memory["calls"] = memory.get("calls", 0) + 1
    if memory["calls"] % 2 == 0:
        case = replace(case, initial_state=case.h0 + case.dtype.type(0.5))
    return run(case)


@simple_fault("state", remembers=True)
def state_written_into_the_argument(case: Case, memory: Memory) -> Trace:
    trace = run(case)
    if case.initial_state is not None and np.isfinite(trace.final_state).all():
        case.initial_state[...] = trace.final_state
    return trace


@simple_fault("batch")
def wrong_from_the_third_row_on(case: Case) -> Trace:
    trace = run(case)
    trace.outputs[2:] *= case.dtype.type(0.999)
    return Trace(trace.outputs, trace.outputs[:, -1].copy() if case.time else trace.final_state)


@simple_fault("final state")
def final_state_before_the_activation(case: Case) -> Trace:
    trace = run(case)
    if not case.time or case.activation == "relu":
        return trace
    return Trace(trace.outputs, np.arctanh(np.clip(trace.final_state, -0.999, 0.999)))
