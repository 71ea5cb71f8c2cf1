"""Faults that only some sizes and layouts have."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.faulty import right_step, run, simple_fault


@simple_fault("size", explained="W·x is missing")
def inputs_lost_over_step_64(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, 0 * x if t > 64 else x, h, c))


@simple_fault("size", explained="U·h is missing")
def state_reset_at_step_200(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, 0 * h if t == 200 else h, c))


@simple_fault("size")
def wrong_from_the_third_row_on(case: Case) -> Trace:
    trace = run(case)
    trace.outputs[2:] *= case.dtype.type(0.999)
    return Trace(trace.outputs, trace.outputs[:, -1].copy() if case.time else trace.final_state)


@simple_fault("size", explained="U's column")
def tail_units_of_a_register_lost(case: Case) -> Trace:
    whole = case.hidden_size - case.hidden_size % 4
    U = case.U.copy()
    U[:, whole:] = 0
    return run(replace(case, U=U)) if whole else run(case)


@simple_fault("size")
def strided_input_read_as_contiguous(case: Case) -> Trace:
    inputs = case.inputs
    if not inputs.flags.c_contiguous and inputs.strides[-1] > 0:
        inputs = np.lib.stride_tricks.as_strided(inputs, strides=np.empty_like(inputs, order="C").strides)
    return run(replace(case, inputs=inputs))
