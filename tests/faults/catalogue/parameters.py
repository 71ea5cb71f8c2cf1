"""Faults of the weights, the bias and what is cached of them."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import sequence, weights
from tests.faults.faulty import Memory, mistaken, right_step, run, simple_fault

u_transposed = mistaken("weights", weights.u_transposed, simple=True)
w_read_in_the_other_order = mistaken("weights", weights.w_in_the_other_order, simple=True)
w_columns_permuted = mistaken("weights", weights.w_columns_rolled, simple=True)
u_rows_permuted = mistaken("weights", weights.u_rows_rolled, simple=True)
u_diagonal_dropped = mistaken("weights", weights.u_diagonal_dropped, simple=True)
bias_dropped = mistaken("bias", weights.bias_dropped, simple=True)
bias_doubled = mistaken("bias", weights.bias_doubled, simple=True)


@simple_fault("weights", explained="W is 1.001 times yours")
def w_scaled(case: Case) -> Trace:
    return run(replace(case, W=case.W * case.dtype.type(1 + 1e-3)))


@simple_fault("weights", explained="U is 1.001 times yours")
def u_scaled(case: Case) -> Trace:
    return run(replace(case, U=case.U * case.dtype.type(1 + 1e-3)))


@simple_fault("weights", explained=", 0] is ")
def u_one_sign(case: Case) -> Trace:
    U = case.U.copy()
    U[-1, 0] *= -1
    return run(replace(case, U=U))


@simple_fault("weights", explained="W[0, ")
def w_one_sign(case: Case) -> Trace:
    W = case.W.copy()
    W[0, -1] *= -1
    return run(replace(case, W=W))


@simple_fault("bias", explained="b is dropped")
def bias_in_the_first_step_only(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, c if t == 0 else replace(c, b=0 * c.b)))


@simple_fault("bias", explained="b is dropped")
def bias_missing_in_the_first_step(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, c if t else replace(c, b=0 * c.b)))


@simple_fault("bias", explained="b is wrong in 2 of 4 elements")
def bias_missing_on_odd_units(case: Case) -> Trace:
    return run(replace(case, b=np.where(np.arange(case.hidden_size) % 2, 0, case.b).astype(case.dtype)))


bias_after_the_activation = mistaken("bias", sequence.bias_after_the_activation, simple=True)


@simple_fault("cache", remembers=True, explained="something is kept between calls")
def first_weights_kept(case: Case, memory: Memory) -> Trace:
    key = (case.W.shape, case.dtype)
    W, U, b = memory.setdefault(key, (case.W.copy(), case.U.copy(), case.b.copy()))
    return run(replace(case, W=W, U=U, b=b))


@simple_fault("cache", remembers=True, explained="something is kept between calls")
def first_bias_kept(case: Case, memory: Memory) -> Trace:
    return run(replace(case, b=memory.setdefault((case.hidden_size, case.dtype), case.b.copy())))


@simple_fault("cache", remembers=True, explained="something is kept between calls")
def compiled_for_the_first_activation(case: Case, memory: Memory) -> Trace:
    return run(replace(case, activation=memory.setdefault(case.W.shape, case.activation)))


@simple_fault("cache", remembers=True)
def answers_share_one_buffer(case: Case, memory: Memory) -> Trace:
    trace = run(case)
    buffer = memory.setdefault((trace.outputs.shape, case.dtype), np.empty_like(trace.outputs))
    buffer[...] = trace.outputs
    return Trace(buffer, trace.final_state)
