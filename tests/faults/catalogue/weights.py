"""Faults of the weights and the biases."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.oracle.cells import Weights
from tests.faults.faulty import fault, right_step, run, run_cell, simple_fault


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


@simple_fault("weights", explained="b is yours + 0.1")
def a_tenth_added_to_the_bias(case: Case) -> Trace:
    return run(replace(case, b=(case.b + 0.1).astype(case.dtype)))


@fault("weights", cell="lstm", explained="b of gate f is yours + 0.5")
def half_added_to_the_forget_bias(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, state, with_gate_bias(case, 1, 0.5)))


@fault("weights", cell="gru", explained="b of gate z is yours + 1")
def one_added_to_the_update_bias(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, state, with_gate_bias(case, 1, 1.0)))


def with_gate_bias(case: Case, gate: int, more: float) -> Weights:
    """The weights with a number added to the bias of a gate, by its place."""
    b = np.zeros(len(case.W), case.dtype) if case.b is None else case.b.copy()
    b[gate * case.hidden_size : (gate + 1) * case.hidden_size] += case.dtype.type(more)
    return case.weights._replace(b=b)
