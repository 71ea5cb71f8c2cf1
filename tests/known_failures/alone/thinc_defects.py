"""Bugs of thinc's own LSTM, in thinc alone. One that is mended fails here, strictly.

It is no backend here, since its layer answers no final states. Its outputs are right from zero states.
"""

import numpy as np
import pytest

pytest.importorskip("thinc")

STEPS, UNITS = 3, 2


def padded(array):
    """A batch (time, batch, size) without padding, as thinc has it."""
    from thinc.types import Padded

    time, batch, _ = array.shape
    counts = np.full(time, batch, np.int32), np.full(batch, time, np.int32)
    return Padded(array, *counts, np.arange(batch, dtype=np.int32))


def made(parameters):
    """A layer whose parameters are given by name."""
    from thinc.api import LSTM, NumpyOps, use_ops

    with use_ops("numpy"):
        layer = LSTM(nO=UNITS, nI=UNITS)
    assert isinstance(layer.ops, NumpyOps)
    layer.initialize()
    for name, array in parameters.items():
        layer.set_param(name, array.reshape(layer.get_param(name).shape))
    return layer


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.xfail(raises=AssertionError, reason="thinc 9.1.1: it is the weights themselves; not reported")
def test_where_the_cotangent_is_zero_so_is_the_gradient_of_the_weights():
    layer, inputs = made({"LSTM": drawn(4 * UNITS * (2 * UNITS + 2))}), drawn(STEPS, 1, UNITS)
    outputs, backprop = layer(padded(inputs), True)
    backprop(padded(np.zeros_like(outputs.data)))
    np.testing.assert_array_equal(layer.get_grad("LSTM"), 0)


@pytest.mark.xfail(raises=AssertionError, reason="thinc 9.1.1: the first step has none; not reported")
def test_the_gradient_of_the_inputs_is_a_difference():
    """Of the sum of the outputs; a step of 1e-2 is exact to some 1e-4."""
    layer, inputs = made({"LSTM": drawn(4 * UNITS * (2 * UNITS + 2))}), drawn(STEPS, 1, UNITS)
    outputs, backprop = layer(padded(inputs), True)
    found = backprop(padded(np.ones_like(outputs.data))).data
    expected, step = np.zeros_like(found), 1e-2
    for place in np.ndindex(found.shape):
        moved = np.zeros_like(found)
        moved[place] = step
        sums = [layer.predict(padded(inputs + k * moved)).data.sum(dtype=np.float64) for k in (1, -1)]
        expected[place] = (sums[0] - sums[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.xfail(raises=AssertionError, reason="thinc 9.1.1 takes one for the other; not reported")
def test_the_first_of_the_initial_states_is_the_output():
    """Weights of zeros: the gates are 1/2, c is half of the initial c, and h plays no part."""
    states = np.array([[5.0, 5.0], [0.0, 0.0]], np.float32)  # H0 and C0, by its source: H0 = HC0[0]
    layer = made({"LSTM": np.zeros(4 * UNITS * (2 * UNITS + 2), np.float32), "HC0": states})
    outputs = layer.predict(padded(np.zeros((1, 1, UNITS), np.float32))).data
    np.testing.assert_array_equal(outputs, 0)
