"""Faults of a backend that keeps something between calls."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.faulty import Memory, fault, run, run_cell, simple_fault


@simple_fault("memory", remembers=True, explained="something is kept between calls")
def first_weights_kept(case: Case, memory: Memory) -> Trace:
    key = (case.W.shape, case.dtype)
    W, U, b = memory.setdefault(key, (case.W.copy(), case.U.copy(), case.b.copy()))
    return run(replace(case, W=W, U=U, b=b))


@simple_fault("memory", remembers=True, explained="something is kept between calls")
def first_bias_kept(case: Case, memory: Memory) -> Trace:
    return run(replace(case, b=memory.setdefault((case.hidden_size, case.dtype), case.b.copy())))


@simple_fault("memory", remembers=True, explained="something is kept between calls")
def compiled_for_the_first_activation(case: Case, memory: Memory) -> Trace:
    return run(replace(case, activation=memory.setdefault(case.W.shape, case.activation)))


@simple_fault("memory", remembers=True)
def answers_share_one_buffer(case: Case, memory: Memory) -> Trace:
    trace = run(case)
    buffer = memory.setdefault((trace.outputs.shape, case.dtype), np.empty_like(trace.outputs))
    buffer[...] = trace.outputs
    return Trace(buffer, trace.final_state)


@simple_fault("memory", remembers=True, explained="something is random or kept")
def state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("state")
    if case.initial_state is None and last is not None and last.shape == case.h0.shape:
        case = replace(case, initial_state=last.astype(case.dtype))
    trace = run(case)
    if np.isfinite(trace.final_state).all():
        memory["state"] = trace.final_state
    return trace


@simple_fault("memory", remembers=True)
def every_second_call_starts_elsewhere(case: Case, memory: Memory) -> Trace:
    memory["calls"] = memory.get("calls", 0) + 1
    if memory["calls"] % 2 == 0:
        case = replace(case, initial_state=case.h0 + case.dtype.type(0.5))
    return run(case)


@simple_fault("memory", remembers=True)
def state_written_into_the_argument(case: Case, memory: Memory) -> Trace:
    trace = run(case)
    if case.initial_state is not None and np.isfinite(trace.final_state).all():
        case.initial_state[...] = trace.final_state
    return trace


@fault("memory", cell="lstm", remembers=True, explained="something is random or kept")
def lstm_cell_state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("c")
    if case.initial_state is None and last is not None and last.shape == case.c0.shape:
        case = replace(case, initial_state=case.h0, initial_cell_state=last.astype(case.dtype))
    trace = run_cell(case)
    memory["c"] = trace.final_cell_state
    return trace


@fault("memory", cell="lstm", remembers=True)
def clip_of_the_first_case_kept(case: Case, memory: Memory) -> Trace:
    return run_cell(case if case.clip is None else replace(case, clip=memory.setdefault("clip", case.clip)))
