"""Faults of the activation, of the precision and of particular sizes."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import sequence, weights
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from tests.faults.faulty import Array, mistaken, right_step, run, simple_fault, to_bits

always_tanh = mistaken("activation", sequence.always_tanh, simple=True)
wrong_over_16_units = mistaken(
    "size", weights.u_transposed, simple=True, among=lambda case: case.hidden_size > 16
)
wrong_over_64_units = mistaken(
    "size", weights.u_transposed, simple=True, among=lambda case: case.hidden_size > 64
)
relu_clipped_at_6 = mistaken("activation", sequence.relu_clipped_at_6, simple=True)
tanh_clipped_at_0_9999 = mistaken("activation", sequence.tanh_clipped, simple=True)


@simple_fault("activation")
def softsign_for_tanh(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        z = x @ c.W.T + h @ c.U.T + c.b
        return z / (1 + np.abs(z)) if c.activation == "tanh" else np.maximum(z, 0)

    return run(case, step)


@simple_fault("activation")
def rational_tanh(case: Case) -> Trace:
    """Lambert's continued fraction to three levels, off by 1e-5 at 0.7, and clipped."""

    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        z = x @ c.W.T + h @ c.U.T + c.b
        if c.activation == "relu":
            return np.maximum(z, 0)
        z = np.clip(z, -3, 3)
        return z * (15 + z * z) / (15 + 6 * z * z)

    return run(case, step)


@simple_fault("activation")
def tanh_off_by_1e_5(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        h = right_step(t, x, h, c)
        return h * (1 + 1e-5 * (1 - h * h)) if c.activation == "tanh" else h

    return run(case, step)


@simple_fault("precision", explained="only as exact as")
def float64_computed_in_float32(case: Case) -> Trace:
    single = {name: array.astype(np.float32) for name, array in case.arrays().items()}
    trace = run(Case(**single, activation=case.activation))
    return Trace(trace.outputs.astype(case.dtype), trace.final_state.astype(case.dtype))


@simple_fault("precision", explained="only as exact as")
def state_rounded_to_bfloat16(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, x, to_bits(h, 8), c))


@simple_fault("precision", explained="only as exact as")
def operands_rounded_like_tf32(case: Case) -> Trace:
    rounded = {name: to_bits(array, 11) for name, array in case.arrays().items() if name != "b"}
    return run(replace(case, **rounded), lambda t, x, h, c: right_step(t, x, to_bits(h, 11), c))


@simple_fault("precision", explained="only as exact as")
def sum_in_float16(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        z = (np.clip(x @ c.W.T + h @ c.U.T + c.b, -6e4, 6e4)).astype(np.float16).astype(c.dtype)
        return ACTIVATIONS[c.activation](z)

    return run(case, step)


@simple_fault("size", explained="W·x is missing")
def inputs_lost_over_step_64(case: Case) -> Trace:
    return run(case, lambda t, x, h, c: right_step(t, 0 * x if t > 64 else x, h, c))


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
