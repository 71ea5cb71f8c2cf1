"""The oracle computes the textbook's formula, and says what is wrong with its arguments."""

import math
from fractions import Fraction

import numpy as np
import pytest

from rnn_lockstep.reference import simple_rnn
from rnn_lockstep.reference.oracle.cells import CELLS, Options, Weights
from rnn_lockstep.reference.oracle.layer import unroll

RNG = np.random.default_rng(0)
X, W, U, B, H0 = (RNG.normal(size=s) for s in [(3, 4, 2), (5, 2), (5, 5), (5,), (3, 5)])


def test_by_hand():
    """Two steps of one unit, worked out with the math module."""
    outputs = simple_rnn([[1.0], [2.0]], W=[[0.5]], U=[[-0.25]], b=[0.1], initial_state=[0.3])
    first = math.tanh(0.5 * 1 - 0.25 * 0.3 + 0.1)
    second = math.tanh(0.5 * 2 - 0.25 * first + 0.1)
    np.testing.assert_allclose(outputs, [[first], [second]], rtol=1e-15)


def test_every_element_of_every_array_counts():
    """Scalar loops write the formula out, with indices in the reference layout."""
    outputs = simple_rnn(X, W, U, B, H0)
    for n in range(3):
        h = H0[n]
        for t in range(4):
            h = np.array(
                [
                    math.tanh(
                        sum(W[i, d] * X[n, t, d] for d in range(2))
                        + sum(U[i, j] * h[j] for j in range(5))
                        + B[i]
                    )
                    for i in range(5)
                ]
            )
            np.testing.assert_allclose(outputs[n, t], h, rtol=1e-13)


def test_shapes_and_final_state():
    outputs, final_state = simple_rnn(X, W, U, B, H0, return_state=True)
    assert outputs.shape == (3, 4, 5)
    assert outputs.dtype == np.float64
    np.testing.assert_array_equal(final_state, outputs[:, -1])
    one, one_final = simple_rnn(X[1], W, U, B, H0[1], return_state=True)
    assert one.shape == (4, 5)
    np.testing.assert_allclose(one, outputs[1], rtol=1e-14)
    np.testing.assert_array_equal(one_final, one[-1])


def test_no_steps_leave_the_initial_state():
    outputs, final_state = simple_rnn(X[:, :0], W, U, B, H0, return_state=True)
    assert outputs.shape == (3, 0, 5)
    np.testing.assert_array_equal(final_state, H0)


def test_relu_and_float32_inputs_are_computed_in_float64():
    outputs = simple_rnn(X.astype(np.float32), W.astype(np.float32), U, B, activation="relu")
    assert outputs.dtype == np.float64
    assert outputs.min() == 0.0
    assert outputs.max() > 1.0


def steps_of(weights, *options):
    """The step of a simple RNN, as `unroll` takes it."""
    return lambda t, x_t, state: CELLS["simple_rnn"].step(x_t, state, weights, Options(*options))


def test_exact_arithmetic_runs_through_the_same_cell():
    """Relu on fractions: no rounding at all, and the float64 oracle agrees to its precision."""
    arrays = [np.round(a * 64) / 64 for a in (X[0], W, U, B, H0[0])]
    x, w, u, b, h0 = (np.vectorize(Fraction, otypes=[object])(a) for a in arrays)
    exact, _ = unroll(steps_of(Weights(w, u, b), "relu"), x, (h0,))
    assert isinstance(exact[0, 0], Fraction | int)
    np.testing.assert_allclose(
        simple_rnn(*arrays, activation="relu"), exact.astype(float), rtol=1e-13, atol=1e-15
    )


def test_complex_steps_run_through_the_same_cell():
    """An imaginary step of 1e-30 in b[0] gives the derivative that differences only approximate."""
    b = B.astype(complex)
    b[0] += 1e-30j
    h0 = H0[0].astype(complex)
    stepped, _ = unroll(steps_of(Weights(W, U, b)), X[0], (h0,))
    b_up, b_down = (B + np.eye(5)[0] * s for s in (1e-6, -1e-6))
    difference = simple_rnn(X[0], W, U, b_up, H0[0]) - simple_rnn(X[0], W, U, b_down, H0[0])
    np.testing.assert_allclose(stepped.imag / 1e-30, difference / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"inputs": X[0, 0]},
            r"inputs has shape \(2,\), needs \(time, input_size\) or \(batch, time, input_size\)",
        ),
        ({"inputs": X[..., :1]}, r"W has shape \(5, 2\), needs \(hidden_size, input_size\) = \(5, 1\)"),
        ({"W": W.T}, r"W has shape \(2, 5\), needs \(hidden_size, input_size\) = \(2, 2\)"),
        ({"W": W[0]}, r"W has shape \(2,\), needs \(hidden_size, input_size\)"),
        ({"W": W[:0]}, r"W has shape \(0, 2\): input_size and hidden_size must be at least 1"),
        ({"U": U[:4]}, r"U has shape \(4, 5\), needs \(hidden_size, hidden_size\) = \(5, 5\)"),
        ({"b": B[:, None]}, r"b has shape \(5, 1\), needs \(hidden_size,\) = \(5,\)"),
        ({"b": 0.0}, r"b has shape \(\), needs \(hidden_size,\) = \(5,\)"),
        (
            {"initial_state": H0[0]},
            r"initial_state has shape \(5,\), needs \(batch, hidden_size\) = \(3, 5\)",
        ),
        ({"inputs": X[0]}, r"initial_state has shape \(3, 5\), needs \(hidden_size,\) = \(5,\)"),
        ({"W": np.ones((5, 2), int)}, r"W has dtype int64, needs float64 or float32 or float16"),
        ({"U": U.astype(complex)}, r"U has dtype complex128, needs float64"),
        ({"b": B.astype(str)}, r"b has dtype <U\d+, needs float64"),
        ({"inputs": [[1.0, 2.0], [3.0]]}, "inputs is not a rectangular array"),
        ({"U": np.where(U[2, 1] == U, np.nan, U)}, r"U must be finite, but holds nan at index \(2, 1\)"),
        ({"initial_state": H0 * np.inf}, r"initial_state must be finite, but holds -?inf at index \(0, 0\)"),
        ({"activation": "swish"}, r"activation is 'swish', needs one of tanh, relu"),
    ],
)
def test_bad_arguments_are_named(changed, message):
    arguments = {"inputs": X, "W": W, "U": U, "b": B, "initial_state": H0, "activation": "tanh"}
    with pytest.raises(ValueError, match=message):
        simple_rnn(**{**arguments, **changed})
