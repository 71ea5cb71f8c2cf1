"""Weights go into a framework's layout and come back unchanged."""

import numpy as np
import pytest

from adapters.layouts import LAYOUTS, pack, unpack
from reference.cells import GATES, Weights


def numbered(cell, biases):
    """Weights whose every element tells its gate: 100 * gate + row."""
    count, size, inputs = len(GATES[cell]), 2, 3
    rows = (100.0 * np.arange(count)[:, None] + np.arange(size)).ravel()
    bias = [rows + 1000 * (k + 1) for k in range(biases)]
    return Weights(np.repeat(rows[:, None], inputs, 1), np.repeat(rows[:, None], size, 1), *bias)


@pytest.mark.parametrize("framework", LAYOUTS)
@pytest.mark.parametrize("cell", GATES)
def test_there_and_back(framework, cell):
    weights = numbered(cell, biases=2)
    packed = pack(weights, cell, framework, reset_after=True)
    kept = LAYOUTS[framework].two_biases or cell == "gru"
    back = unpack(packed, cell, framework)
    np.testing.assert_array_equal(back.W, weights.W)
    np.testing.assert_array_equal(back.U, weights.U)
    if kept:
        np.testing.assert_array_equal(back.b, weights.b)
        np.testing.assert_array_equal(back.recurrent_b, weights.recurrent_b)
    else:
        np.testing.assert_array_equal(back.b, weights.b + weights.recurrent_b)
        assert back.recurrent_b is None


@pytest.mark.parametrize(
    ("framework", "cell", "order"),
    [
        ("torch", "lstm", [0, 1, 2, 3]),
        ("keras", "lstm", [0, 1, 2, 3]),
        ("onnx", "lstm", [0, 3, 1, 2]),
        ("torch", "gru", [0, 1, 2]),
        ("keras", "gru", [1, 0, 2]),
        ("onnx", "gru", [1, 0, 2]),
    ],
)
def test_order_of_the_gates(framework, cell, order):
    """As the frameworks document it: which of our gates comes first, second, …"""
    packed = pack(numbered(cell, biases=2), cell, framework, reset_after=True)
    rows = packed.U.T if LAYOUTS[framework].columns else packed.U
    assert [int(row[0]) // 100 for row in rows[::2]] == order


@pytest.mark.parametrize(("biases", "count"), [(0, 0), (1, 2), (2, 2)])
def test_a_missing_bias_is_zeros_only_beside_another(biases, count):
    packed = pack(numbered("gru", biases), "gru", "torch")
    assert sum(bias is not None for bias in packed[2:]) == count
