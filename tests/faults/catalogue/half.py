"""Faults that only float16 and bfloat16 have."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from tests.faults.catalogue.gru import with_gates
from tests.faults.faulty import fault, run, run_cell, simple_fault, to_bits


def half(case: Case) -> bool:
    return case.dtype.itemsize == 2


@simple_fault("half types")
def half_bias_dropped(case: Case) -> Trace:
    return run(replace(case, b=0 * case.b) if half(case) else case)


@simple_fault("half types")
def half_u_transposed(case: Case) -> Trace:
    return run(replace(case, U=case.U.T) if half(case) else case)


@simple_fault("half types")
def half_initial_state_ignored(case: Case) -> Trace:
    return run(replace(case, initial_state=None) if half(case) else case)


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


@fault("half types", cell="gru")
def half_gru_gates_in_keras_order(case: Case) -> Trace:
    return run_cell(with_gates(case, [1, 0, 2]) if half(case) else case)


@fault("half types", cell="lstm")
def half_lstm_forget_gate_plus_one(case: Case) -> Trace:
    if not half(case) or case.b is None:
        return run_cell(case)
    b = case.b.copy()
    b[case.hidden_size : 2 * case.hidden_size] += case.dtype.type(1)
    return run_cell(replace(case, b=b))
