"""Faults of the state, of time, of the batch and of the final state."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from tests.faults.faulty import Array, Memory, right_step, run, simple_fault


@simple_fault("state")
def initial_state_ignored(case: Case) -> Trace:
    return run(replace(case, initial_state=None))


@simple_fault("state")
def initial_state_of_the_first_row_for_all(case: Case) -> Trace:
    return run(replace(case, initial_state=np.repeat(case.h0[:1], case.batch, axis=0)))


@simple_fault("state")
def state_shared_across_the_batch(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, np.broadcast_to(h[:1], h.shape), c))


@simple_fault("state", remembers=True)
def state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("state")
    if case.initial_state is None and last is not None and last.shape == case.h0.shape:
        case = replace(case, initial_state=last.astype(case.dtype))
    trace = run(case)
    if np.isfinite(trace.final_state).all():
        memory["state"] = trace.final_state
    return trace


@simple_fault("state")
def state_reset_at_step_200(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, 0 * h if t == 200 else h, c))


@simple_fault("state")
def state_of_two_steps_ago(case: Case) -> Trace:
    states = [case.h0, case.h0]

    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        states.append(right_step(t, x, states[-2], c))
        return states[-1]

    return run(case, step)


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


@simple_fault("time")
def time_reversed(case: Case) -> Trace:
    return run(replace(case, inputs=case.inputs[:, ::-1]))


@simple_fault("time")
def outputs_reversed(case: Case) -> Trace:
    trace = run(case)
    return Trace(trace.outputs[:, ::-1], trace.final_state)


@simple_fault("time")
def inputs_one_step_late(case: Case) -> Trace:
    return run(replace(case, inputs=np.roll(case.inputs, 1, axis=1)))


@simple_fault("time")
def last_step_repeated(case: Case) -> Trace:
    inputs = case.inputs.copy()
    inputs[:, -1:] = inputs[:, -2:-1] if case.time > 1 else inputs[:, -1:]
    return run(replace(case, inputs=inputs))


@simple_fault("time")
def first_step_skipped(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: h if t == 0 else right_step(t, x, h, c))


@simple_fault("time")
def steps_of_zeros_taken_for_padding(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        return np.where(x.any(axis=1, keepdims=True), right_step(t, x, h, c), h)

    return run(case, step)


@simple_fault("batch")
def rows_mixed(case: Case) -> Trace:
    return run(replace(case, inputs=np.roll(case.inputs, 1, axis=0)))


@simple_fault("batch")
def wrong_from_the_third_row_on(case: Case) -> Trace:
    trace = run(case)
    trace.outputs[2:] *= case.dtype.type(0.999)
    return Trace(trace.outputs, trace.outputs[:, -1].copy() if case.time else trace.final_state)


@simple_fault("batch")
def time_and_batch_mixed_up(case: Case) -> Trace:
    mixed = case.inputs.reshape(case.time, case.batch, -1).swapaxes(0, 1)
    return run(replace(case, inputs=np.ascontiguousarray(mixed)))


@simple_fault("final state")
def final_state_of_the_step_before(case: Case) -> Trace:
    trace = run(case)
    return Trace(trace.outputs, trace.outputs[:, -2]) if case.time > 1 else trace


@simple_fault("final state")
def final_state_of_the_first_step(case: Case) -> Trace:
    trace = run(case)
    return Trace(trace.outputs, trace.outputs[:, 0]) if case.time else trace


@simple_fault("final state")
def final_state_before_the_activation(case: Case) -> Trace:
    trace = run(case)
    if not case.time or case.activation == "relu":
        return trace
    return Trace(trace.outputs, np.arctanh(np.clip(trace.final_state, -0.999, 0.999)))


@simple_fault("final state")
def final_state_is_zero_without_steps(case: Case) -> Trace:
    trace = run(case)
    return trace if case.time else Trace(trace.outputs, 0 * trace.final_state)
