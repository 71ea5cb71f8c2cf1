"""Faults of the precision, and those that only float16 and bfloat16 have."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from tests.faults.faulty import Array, fault, right_step, run, run_cell, simple_fault, to_bits


@simple_fault("precision", explained="only as exact as")
def float64_computed_in_float32(case: Case) -> Trace:
    single = {name: array.astype(np.float32) for name, array in case.arrays().items()}
    trace = run(Case(**single, activation=case.activation))
    return Trace(trace.outputs.astype(case.dtype), trace.final_state.astype(case.dtype))


@simple_fault("precision", explained="only as exact as")
def state_rounded_to_bfloat16(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, to_bits(h, 8), c))


@simple_fault("precision", explained="products are taken in TF32")
def operands_rounded_like_tf32(case: Case) -> Trace:
    rounded = {name: to_bits(array, 11) for name, array in case.arrays().items() if name != "b"}
    return run(replace(case, **rounded), lambda t, x, h, c: right_step(t, x, to_bits(h, 11), c))


@simple_fault("precision", explained="only as exact as")
def sum_in_float16(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        z = (np.clip(x @ c.W.T + h @ c.U.T + c.b, -6e4, 6e4)).astype(np.float16).astype(c.dtype)
        return ACTIVATIONS[c.activation](z)

    return run(case, step)


@fault("precision", cell="gru", explained="only as exact as")
def gru_state_rounded_to_float16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (to_bits(state[0], 11),)))


@fault("precision", cell="lstm", explained="only as exact as")
def lstm_cell_state_rounded_to_bfloat16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (state[0], to_bits(state[1], 8))))


@simple_fault("half types")
def half_float16_computed_in_bfloat16(case: Case) -> Trace:
    if case.dtype != np.float16:
        return run(case)
    short = {name: to_bits(array, 8) for name, array in case.arrays().items()}
    trace = run(replace(case, **short))
    return Trace(to_bits(trace.outputs, 8), to_bits(trace.final_state, 8))


@simple_fault("half types")
def half_bits_read_as_the_other_type(case: Case) -> Trace:
    if case.dtype != "bfloat16":
        return run(case)
    W = np.nan_to_num(case.W.copy().view(np.float16).astype(np.float32), posinf=6e4, neginf=-6e4)
    return run(replace(case, W=W.astype(case.dtype)))
