"""Right forms of the GRU that are not the reference's: with 1 - z for its update gate."""

import numpy as np
import pytest
from scipy.special import expit

from rnn_lockstep.reference import Arithmetic, Case, Trace, check
from rnn_lockstep.reference.bound.arithmetic import FunctionError

FORMS = {
    "Chung et al., Haiku": lambda h, n, rest: (1 - rest) * h + rest * n,
    "mirrored": lambda h, n, rest: h + rest * (n - h),
}


def answer(case, next_state):
    """The states of a GRU without an input's bias, whose gate is the part of the candidate."""
    h, states, size = case.h0, [], case.hidden_size
    rows = [slice(k * size, (k + 1) * size) for k in range(3)]
    for x_t in case.inputs.swapaxes(0, 1):
        x_r, x_z, x_n = (x_t @ case.W[r].T + case.b[r] for r in rows)
        h_r, h_z = (h @ case.U[r].T for r in rows[:2])
        candidate = np.tanh(x_n + (expit(x_r + h_r) * h) @ case.U[rows[2]].T)
        h = next_state(h, candidate, expit(-(x_z + h_z)))
        states.append(h)
    return Trace(np.stack(states, axis=1), h)


def make_case(seed, dtype):
    """A case of 3 rows and 6 steps. The states are up to a thousand times larger or smaller than 1."""
    rng = np.random.default_rng(seed)
    size, scale, large = int(rng.integers(1, 6)), 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(-3, 3)

    def drawn(*shape):
        return rng.normal(size=shape).astype(dtype)

    W, U, b = (drawn(3 * size, n) * dtype(scale) for n in (2, size, 1))
    state = drawn(3, size) * dtype(large)
    return Case(drawn(3, 6, 2), W, U, b[:, 0], cell="gru", reset_after=False, initial_state=state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
def test_another_right_form_is_not_called_wrong(form, dtype):
    """About one in ten was called wrong before the bound knew that h loses what 1 - z has lost."""
    ulps = {"tanh": FunctionError(4), "sigmoid": FunctionError(4)}
    arithmetic = Arithmetic(np.dtype(dtype), ulps)
    verdicts = [
        check(case, answer(case, FORMS[form]), arithmetic)
        for case in (make_case(seed, dtype) for seed in range(200))
    ]
    assert not [str(verdict) for verdict in verdicts if verdict.status == "mismatch"]
    assert sum(verdict.status == "match" for verdict in verdicts) > 190


def test_a_gate_that_is_nearly_shut_loses_what_its_rest_has_lost():
    W, U, b = np.zeros((3, 1), np.float32), np.zeros((3, 1), np.float32), np.array([0, -16, 0], np.float32)
    case = Case(
        np.zeros((1, 1, 1), np.float32),
        W,
        U,
        b,
        cell="gru",
        reset_after=False,
        initial_state=np.ones((1, 1), np.float32),
    )
    arithmetic = Arithmetic(np.dtype(np.float32), {"sigmoid": FunctionError(1), "tanh": FunctionError(1)})
    right = answer(case, FORMS["mirrored"])
    assert check(case, right, arithmetic).status == "match"
    off = Trace(right.outputs + np.float32(2**-20), right.final_state + np.float32(2**-20))
    assert check(case, off, arithmetic).status == "mismatch"
