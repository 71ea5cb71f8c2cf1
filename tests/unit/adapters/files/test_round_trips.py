"""Layers go from any format to any other and back, and every bit of their weights with them."""

from itertools import product

import numpy as np
import pytest

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import assert_same_weights, make_layer, saved

SUFFIXES = ("pt", "safetensors", "npz", "onnx", "msgpack")


def gru(**options):
    """A GRU whose biases flax can hold: of r and z only one is not zero."""
    layer = make_layer("gru", **options)
    for weights in layer.cells:
        weights.recurrent_b[:8] = 0
    return layer


# What every format can hold, with biases on the side where flax's are, or on the other.
LAYERS = [
    make_layer("lstm", 2, merge_mode="concat", biases=(False, True), name="encoder"),
    gru(name="decoder.rnn"),
    make_layer("simple_rnn", 3, biases=(True, False), name="plain"),
]
HALF = [gru(dtype="bfloat16", name="half"), make_layer("lstm", 2, biases=(False, True), dtype="float16")]


@pytest.mark.parametrize(("first", "second"), [*product(SUFFIXES, SUFFIXES)])
def test_every_pair_there_and_back(first, second, tmp_path):
    for layers in (LAYERS, HALF):
        path = saved(tmp_path / f"first.{first}", layers)
        path = saved(tmp_path / f"second.{second}", read_model(path))
        path = saved(tmp_path / f"third.{first}", read_model(path))
        back = {layer.name: layer for layer in read_model(path)}
        assert len(back) == len(layers)
        for layer in layers:
            other = back[layer.name]
            assert (layer.cell, layer.layers, layer.merge_mode) == (
                other.cell,
                other.layers,
                other.merge_mode,
            )
            assert_same_weights(layer, other, biases=False)


def test_biases_that_flax_adds_up_are_their_sum(tmp_path):
    layer = make_layer("gru")
    [back] = read_model(saved(tmp_path / "it.msgpack", [layer]))
    b, recurrent_b = back.cells[0].b, back.cells[0].recurrent_b
    was_b, was_recurrent_b = layer.cells[0].b, layer.cells[0].recurrent_b
    np.testing.assert_array_equal(b[:8], (was_b + was_recurrent_b)[:8])
    np.testing.assert_array_equal(b[8:], was_b[8:])
    np.testing.assert_array_equal(recurrent_b[8:], was_recurrent_b[8:])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_does_not_depend_on_how_arrays_lie(suffix, tmp_path):
    layer = make_layer("lstm")
    turned = type(layer)(
        layer.name,
        tuple(type(w)(*(a if a is None else np.asfortranarray(a) for a in w)) for w in layer.cells),
        layer.cell,
    )
    one, other = saved(tmp_path / f"a.{suffix}", [layer]), saved(tmp_path / f"b.{suffix}", [turned])
    assert_same_weights(read_model(one)[0], read_model(other)[0])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_layers_are_no_file(suffix, tmp_path):
    with pytest.raises(InvalidModel, match="no recurrent layers to write"):
        saved(tmp_path / f"it.{suffix}", [])
