"""NumPy's archives hold any layer, and are read by the reference's names or torch's."""

import json

import numpy as np
import pytest
import torch

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import assert_same, make_layer, saved

LAYERS = [
    make_layer("simple_rnn", activation="relu", biases=(False, False), name="plain"),
    make_layer("gru", reset_after=False, reverse=True, outputs_reversed=True, name="a.b"),
    make_layer("lstm", 2, merge_mode="mul", recurrent_activation="hard_sigmoid", biases=(False, True)),
    make_layer("gru", 3, dtype="bfloat16", return_sequences=False, biases=(True, False), name="half/brain"),
    make_layer("lstm", 2, merge_mode="concat", projection_size=2, activation="elu", name="projected"),
    make_layer("lstm", dtype="float16", assumed=("activation",), name="\u221e"),
]


def test_everything_about_a_layer_comes_back(tmp_path):
    back = read_model(saved(tmp_path / "it.npz", LAYERS))
    assert len(back) == len(LAYERS)
    for layer, other in zip(LAYERS, back, strict=True):
        assert_same(layer, other)
        assert layer.assumed == other.assumed


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_weights_of_any_source_need_names_only(save, tmp_path):
    """Names as in the seed notebook, with a dense layer beside, in Fortran order and the other byte order."""
    W, U, b = make_layer("simple_rnn").cells[0][:3]
    save(tmp_path / "it.npz", W=np.asfortranarray(W), U=U.astype(">f4"), b=b, **{"dense.W": W, "dense.b": b})
    [layer] = read_model(tmp_path / "it.npz")
    assert (layer.name, layer.cell, layer.activation) == ("simple_rnn", "simple_rnn", "tanh")
    assert {"activation", "reverse", "return_sequences"} <= set(layer.assumed)
    for mine, given in zip(layer.cells[0], (W, U, b, None, None, None), strict=True):
        np.testing.assert_array_equal(mine, given)


def test_a_projection_tells_the_cell_without_options(tmp_path):
    given = make_layer("lstm", projection_size=2).cells[0]
    np.savez(tmp_path / "it.npz", W=given.W, U=given.U, projection=given.projection)
    [layer] = read_model(tmp_path / "it.npz")
    assert (layer.cell, layer.hidden_size, layer.projection_size) == ("lstm", 4, 2)
    np.testing.assert_array_equal(layer.cells[0].projection, given.projection)


def test_torch_names_are_read(tmp_path):
    module = torch.nn.GRU(3, 4, num_layers=2)
    arrays = {f"rnn.{name}": tensor.numpy() for name, tensor in module.state_dict().items()}
    np.savez(tmp_path / "it.npz", **arrays, vocabulary=np.array(["a", {}], object))
    [layer] = read_model(tmp_path / "it.npz")
    assert (layer.name, layer.cell, layer.layers) == ("rnn", "gru", 2)
    np.testing.assert_array_equal(layer.cells[1].U, arrays["rnn.weight_hh_l1"])


W, U = np.ones((3, 2), np.float32), np.ones((3, 3), np.float32)


def with_options(**options):
    return {"W": W, "U": U, "options": np.array(json.dumps(options))}


REFUSED = {
    "objects": ({"W": W, "U": np.array([{}, []], object)}, "U holds pickled objects"),
    "integers": ({"W": W, "U": np.ones((3, 3), int)}, "U has dtype <i8"),
    "no W": ({"U": U}, "has no W"),
    "no such cell": ({"W": W, "U": np.ones((6, 3), np.float32)}, r"U has shape \(6, 3\), that of no cell"),
    "an empty U": ({"W": W, "U": np.ones((0, 2**40), np.float32)}, "is empty"),
    "a projection of no LSTM": (
        {"W": W, "U": np.ones((3, 2), np.float32), "projection": np.ones((2, 3), np.float32)},
        "projection is given, and a simple_rnn has none",
    ),
    "a projection of no matrix": ({"W": W, "U": U, "projection": W[0]}, "that of no cell"),
    "another dtype": ({"W": W, "U": U.astype(np.float16)}, "dtype float16"),
    "options of bytes": ({"W": W, "U": U, "options": np.ones(3)}, "needs a text"),
    "a list": ({"W": W, "U": U, "options": np.array("[1]")}, "needs JSON with cell"),
    "nested": ({"W": W, "U": U, "options": np.array("[" * 9999)}, "."),
    "fields more": (with_options(cell="simple_rnn", run="rm"), "needs JSON with cell"),
    "a cell of no kind": (with_options(cell=["lstm"]), "has cell"),
    "an activation of no kind": (with_options(cell="simple_rnn", activation=None), "."),
    "a flag of no kind": (with_options(cell="simple_rnn", reverse=1), "has reverse = 1"),
    "assumed of no kind": (with_options(cell="simple_rnn", assumed=[{}]), "has assumed"),
    "no such activation": (with_options(cell="simple_rnn", activation="gelu"), "activation is 'gelu'"),
    "cells without options": ({"W": W, "U": U, "more_weights[0].W": W, "more_weights[0].U": U}, "options"),
    "a later cell": ({"W": W, "U": U, "more_weights[7].W": W}, "lacks the weights of a cell"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_layer_is_told_in_one_line(name, tmp_path):
    arrays, message = REFUSED[name]
    np.savez(tmp_path / "it.npz", **arrays)
    with pytest.raises(InvalidModel, match=message) as caught:
        read_model(tmp_path / "it.npz")
    assert str(caught.value).isprintable()


def test_two_layers_of_one_name_are_refused(tmp_path):
    with pytest.raises(InvalidModel, match="two layers have the name encoder"):
        saved(tmp_path / "it.npz", [make_layer(), make_layer()])
