"""Faults of the weights, the bias and what is cached of them."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from tests.faults.faulty import Memory, right_step, run, simple_fault


@simple_fault("weights")
def u_transposed(case: Case) -> Trace:
    return run(replace(case, U=case.U.T))


@simple_fault("weights")
def w_read_in_the_other_order(case: Case) -> Trace:
    return run(replace(case, W=case.W.T.reshape(case.W.shape)))


@simple_fault("weights")
def w_columns_permuted(case: Case) -> Trace:
    return run(replace(case, W=np.roll(case.W, 1, axis=1)))


@simple_fault("weights")
def u_rows_permuted(case: Case) -> Trace:
    return run(replace(case, U=np.roll(case.U, 1, axis=0)))


@simple_fault("weights")
def w_scaled(case: Case) -> Trace:
    return run(replace(case, W=case.W * case.dtype.type(1 + 1e-3)))


@simple_fault("weights")
def u_scaled(case: Case) -> Trace:
    return run(replace(case, U=case.U * case.dtype.type(1 + 1e-3)))


@simple_fault("weights")
def u_one_sign(case: Case) -> Trace:
    U = case.U.copy()
    U[-1, 0] *= -1
    return run(replace(case, U=U))


@simple_fault("weights")
def w_one_sign(case: Case) -> Trace:
    W = case.W.copy()
    W[0, -1] *= -1
    return run(replace(case, W=W))


@simple_fault("weights")
def u_diagonal_dropped(case: Case) -> Trace:
    return run(replace(case, U=case.U - np.diag(np.diag(case.U))))


@simple_fault("bias")
def bias_dropped(case: Case) -> Trace:
    return run(replace(case, b=np.zeros_like(case.b)))


@simple_fault("bias")
def bias_doubled(case: Case) -> Trace:
    return run(replace(case, b=2 * case.b))


@simple_fault("bias")
def bias_in_the_first_step_only(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, c if t == 0 else replace(c, b=0 * c.b)))


@simple_fault("bias")
def bias_missing_in_the_first_step(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, c if t else replace(c, b=0 * c.b)))


@simple_fault("bias")
def bias_missing_on_odd_units(case: Case) -> Trace:
    return run(replace(case, b=np.where(np.arange(case.hidden_size) % 2, 0, case.b).astype(case.dtype)))


@simple_fault("bias")
def bias_after_the_activation(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, replace(c, b=0 * c.b)) + c.b)


@simple_fault("cache", remembers=True)
def first_weights_kept(case: Case, memory: Memory) -> Trace:
    key = (case.W.shape, case.dtype)
    W, U, b = memory.setdefault(key, (case.W.copy(), case.U.copy(), case.b.copy()))
    return run(replace(case, W=W, U=U, b=b))


@simple_fault("cache", remembers=True)
def first_bias_kept(case: Case, memory: Memory) -> Trace:
    return run(replace(case, b=memory.setdefault((case.hidden_size, case.dtype), case.b.copy())))


@simple_fault("cache", remembers=True)
def compiled_for_the_first_activation(case: Case, memory: Memory) -> Trace:
    return run(replace(case, activation=memory.setdefault(case.W.shape, case.activation)))


@simple_fault("cache", remembers=True)
def answers_share_one_buffer(case: Case, memory: Memory) -> Trace:
    trace = run(case)
    buffer = memory.setdefault((trace.outputs.shape, case.dtype), np.empty_like(trace.outputs))
    buffer[...] = trace.outputs
    return Trace(buffer, trace.final_state)
