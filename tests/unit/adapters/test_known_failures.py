"""Bugs of the frameworks themselves, each with its minimal case. One that is mended fails here, strictly."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rnn_lockstep.adapters import load


@pytest.mark.xfail(raises=Exception, reason="Keras 3.15 takes an empty array for a bias: Biases must be 1D")
def test_keras_adds_two_arrays_of_an_empty_batch():
    """`ops.add` on TensorFlow drops axes of length 0 as if they were 1, and calls `tf.nn.bias_add`.

    An LSTM run eagerly, or compiled by XLA for its sizes, therefore raises on batch 0. As a graph, where the
    batch is unknown, it does not.
    """
    ops = load("keras").keras.ops
    assert ops.add(np.zeros((0, 12), np.float32), np.zeros((0, 12), np.float32)).shape == (0, 12)


def answered(backend: str, code: str) -> str:
    """What a script prints in Keras on this backend, in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", f"import keras\nimport numpy as np\n{code}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


GRU = """
gru = keras.layers.GRU(3, use_bias=False, dtype="float16", recurrent_initializer="zeros")
try:
    print(gru(np.ones((1, 2, 2), np.float16)).dtype)
except TypeError as error:
    print(error)
"""


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15 adds zeros of float32 where there is no bias")
def test_a_gru_without_bias_runs_in_float16_on_jax():
    """`backend.jax.rnn.gru` makes `jnp.zeros(3 * hidden_size)`, so its state turns into float32.

    A mask, reset_after=False or a bias leads another way.
    """
    assert answered("jax", GRU) == "float16"


@pytest.mark.xfail(
    raises=AssertionError, reason="Keras 3.15: https://github.com/keras-team/keras/issues/23223"
)
def test_tanh_of_float64_is_float64_on_jax():
    """`result_type` makes float32 of float64 on all backends but TensorFlow; sigmoid does not ask it."""
    enable = "import jax; jax.config.update('jax_enable_x64', True)"
    both = f"{enable}; x = np.ones(1); print(keras.ops.sigmoid(x).dtype, keras.ops.tanh(x).dtype)"
    assert answered("jax", both) == "float64 float64"


@pytest.mark.xfail(
    raises=AssertionError, reason="Keras 3.15: https://github.com/keras-team/keras/issues/23704"
)
def test_a_product_of_float64_matrices_is_float64_on_torch():
    assert answered("torch", "x = np.ones((1, 1)); print(keras.ops.matmul(x, x).dtype)") == "torch.float64"


@pytest.mark.xfail(raises=AssertionError, reason="torch 2.13 has the slope of hardsigmoid as 1.0f / 6.0f")
def test_the_slope_of_hardsigmoid_is_a_sixth_in_float64():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.hardsigmoid(x).sum().backward()
    assert x.grad.item() == 1 / 6
