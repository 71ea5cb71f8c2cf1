"""Bugs of the frameworks themselves, each with its minimal case. One that is mended fails here, strictly."""

import numpy as np
import pytest

from rnn_lockstep.adapters import load


@pytest.mark.xfail(raises=Exception, reason="Keras 3.15 takes an empty array for a bias: Biases must be 1D")
def test_keras_adds_two_arrays_of_an_empty_batch():
    """`ops.add` on TensorFlow drops axes of length 0 as if they were 1, and calls `tf.nn.bias_add`.

    An LSTM run eagerly therefore raises on batch 0. As a graph, where the batch is unknown, it does not.
    """
    ops = load("keras").keras.ops
    assert ops.add(np.zeros((0, 12), np.float32), np.zeros((0, 12), np.float32)).shape == (0, 12)
