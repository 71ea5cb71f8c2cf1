"""Weights go into a framework's layout and come back unchanged."""

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS, pack, unpack
from rnn_lockstep.reference.oracle.cells import GATES, Weights


def numbered(cell, biases):
    """Weights whose every element tells its gate: 100 * gate + row."""
    count, size, inputs = len(GATES[cell]), 2, 3
    rows = (100.0 * np.arange(count)[:, None] + np.arange(size)).ravel()
    bias = [rows + 1000 * (k + 1) for k in range(biases)]
    return Weights(np.repeat(rows[:, None], inputs, 1), np.repeat(rows[:, None], size, 1), *bias)


@pytest.mark.parametrize("framework", [name for name, layout in LAYOUTS.items() if not layout.sides])
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
    """The frameworks document it: which of our gates comes first, second, …"""
    packed = pack(numbered(cell, biases=2), cell, framework, reset_after=True)
    rows = packed.U.T if LAYOUTS[framework].columns else packed.U
    assert [int(row[0]) // 100 for row in rows[::2]] == order


@pytest.mark.parametrize(("framework", "order"), [("onnx", [0, 2, 1]), ("tensorflow1", [0, 1, 2])])
def test_order_of_the_peepholes(framework, order):
    """ONNX's input P has those of i, o and f; TensorFlow's wci, wcf and wco follow our order."""
    weights = numbered("peephole_lstm", biases=2)._replace(peepholes=np.arange(6))
    packed = pack(weights, "peephole_lstm", framework)
    assert [int(first) // 2 for first in packed.peepholes[::2]] == order
    np.testing.assert_array_equal(unpack(packed, "peephole_lstm", framework).peepholes, weights.peepholes)


@pytest.mark.parametrize(("biases", "count"), [(0, 0), (1, 2), (2, 2)])
def test_a_missing_bias_is_zeros_only_beside_another(biases, count):
    packed = pack(numbered("gru", biases), "gru", "torch")
    assert sum(bias is not None for bias in packed[2:]) == count


SIDES = {
    ("flax", "simple_rnn"): ("h", ""),
    ("flax", "gru"): ("rzn", "n"),
    ("flax", "lstm"): ("", "ifgo"),
    ("flax_nnx", "lstm"): ("", "ifgo"),
}


@pytest.mark.parametrize(("framework", "cell"), SIDES)
def test_biases_on_the_sides_where_there_are_any(framework, cell):
    """Flax documents them: the sums of both are where one is, and come back as the same sums."""
    weights = numbered(cell, biases=2)
    packed = pack(weights, cell, framework)
    assert packed.W.shape == weights.W.T.shape
    for bias, gates in zip(packed.biases, SIDES[framework, cell], strict=True):
        assert (bias is None) if not gates else (len(bias) == 2 * len(gates))
    W, U, b, recurrent_b, *_ = unpack(packed, cell, framework)
    np.testing.assert_array_equal(W, weights.W)
    np.testing.assert_array_equal(U, weights.U)
    total = (0 if b is None else b) + (0 if recurrent_b is None else recurrent_b)
    np.testing.assert_array_equal(total, weights.b + weights.recurrent_b)
    if cell == "gru":  # what is inside the reset product stays there
        np.testing.assert_array_equal(recurrent_b, [0, 0, 0, 0, *weights.recurrent_b[4:]])


def test_a_bias_without_a_place_is_refused():
    weights = numbered("gru", biases=2)
    with pytest.raises(ValueError, match="no bias inside the reset product"):
        pack(weights, "gru", "flax_nnx")
    weights.recurrent_b[4:] = 0
    b = unpack(pack(weights, "gru", "flax_nnx"), "gru", "flax_nnx").b
    np.testing.assert_array_equal(b, weights.b + weights.recurrent_b)
