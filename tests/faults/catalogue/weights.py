"""Faults of the weights and the biases."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.faulty import right_step, run, simple_fault


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


@simple_fault("weights", explained="b is dropped")
def bias_missing_in_the_first_step(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, h, c if t else replace(c, b=0 * c.b)))


@simple_fault("weights", explained="b is wrong in 2 of 4 elements")
def bias_missing_on_odd_units(case: Case) -> Trace:
    return run(replace(case, b=np.where(np.arange(case.hidden_size) % 2, 0, case.b).astype(case.dtype)))
