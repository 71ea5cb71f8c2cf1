"""Faults of the activation."""

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.faulty import Array, right_step, run, simple_fault


@simple_fault("activation")
def softsign_for_tanh(case: Case) -> Trace:
    def step(t: int, x: Array, h: Array, c: Case) -> Array:
        z = x @ c.W.T + h @ c.U.T + c.b
        return z / (1 + np.abs(z)) if c.activation == "tanh" else np.maximum(z, 0)

    return run(case, step)


@simple_fault("activation")
def rational_tanh(case: Case) -> Trace:
    """Approximate tanh by Lambert's continued fraction to three levels, off by 1e-5 at 0.7, and clipped."""

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


@simple_fault("activation")
def final_state_before_the_activation(case: Case) -> Trace:
    trace = run(case)
    if not case.time or case.activation == "relu":
        return trace
    return Trace(trace.outputs, np.arctanh(np.clip(trace.final_state, -0.999, 0.999)))
