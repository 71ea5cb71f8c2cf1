"""ONNX models of other tools are read as they are, and what is written runs in onnxruntime."""

import warnings
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import (
    answer,
    assert_same,
    assert_same_weights,
    inputs,
    make_layer,
    saved,
)


class Model(torch.nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.encoder, self.dense = rnn, torch.nn.Linear(3, 3)

    def forward(self, x):
        return self.encoder(self.dense(x))[0]


def exported(module, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Model(module).eval(), (torch.ones(2, 5, 3),), path, **options)


@pytest.mark.parametrize(
    "options",
    [{"dynamo": False}, {"dynamo": False, "do_constant_folding": False}, {"dynamo": True, "verbose": False}],
    ids=["torchscript", "unfolded", "dynamo"],
)
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(torch.nn.LSTM, {"num_layers": 2, "bidirectional": True}), (torch.nn.GRU, {"num_layers": 2})],
)
def test_what_torch_exports_is_what_torch_has(kind, arguments, options, tmp_path):
    """Forty units make the newest exporter leave the weights in a second file."""
    module = kind(3, 40, batch_first=True, **arguments)
    torch.save({f"encoder.{k}": v for k, v in module.state_dict().items()}, tmp_path / "it.pt")
    exported(module, tmp_path / "it.onnx", **options)
    [layer], [torch_layer] = read_model(tmp_path / "it.onnx"), read_model(tmp_path / "it.pt")
    assert layer.name == "encoder"
    assert (layer.cell, layer.merge_mode, layer.reset_after) == (
        torch_layer.cell,
        torch_layer.merge_mode,
        True,
    )
    assert_same_weights(torch_layer, layer)


def test_a_module_alone_has_its_cells_name(tmp_path):
    module = torch.nn.RNN(3, 4)
    torch.save(module.state_dict(), tmp_path / "it.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.ones(2, 5, 3),), tmp_path / "it.onnx", dynamo=False)
    names = [layer.name for suffix in ("pt", "onnx") for layer in read_model(tmp_path / f"it.{suffix}")]
    assert names == ["simple_rnn", "simple_rnn"]


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_nonlinearity_of_an_rnn_is_told(nonlinearity, tmp_path):
    module = torch.nn.RNN(3, 4, nonlinearity=nonlinearity, bias=False, batch_first=True)
    exported(module, tmp_path / "it.onnx", dynamo=False)
    [layer] = read_model(tmp_path / "it.onnx")
    assert (layer.activation, layer.biases, layer.assumed) == (nonlinearity, 0, ("return_sequences",))


LAYERS = [
    *(
        make_layer(
            cell,
            layers,
            merge_mode=merge,
            return_sequences=sequences,
            reset_after=(cell, layers) != ("gru", 2),
        )
        for (cell, layers), merge, sequences in zip(
            product(("lstm", "gru", "simple_rnn"), (1, 2)),
            ("concat", "sum", "mul", "ave", None, "concat"),
            (True, False, True, True, False, False),
            strict=True,
        )
    ),
    make_layer("gru", recurrent_activation="hard_sigmoid", biases=(False, False), merge_mode="concat"),
    make_layer("lstm", recurrent_activation="hard_sigmoid_keras2", reverse=True),
    make_layer("simple_rnn", activation="relu", reverse=True, outputs_reversed=True, merge_mode=None),
    make_layer("lstm", activation="relu"),
    make_layer("lstm", activation="elu", recurrent_activation="hard_sigmoid", merge_mode="concat"),
    make_layer("lstm", activation="hard_sigmoid", recurrent_activation="hard_sigmoid_keras2"),
    make_layer("gru", activation="linear", recurrent_activation="softsign"),
    make_layer("gru", activation="sigmoid", recurrent_activation="elu", reset_after=False),
    make_layer("simple_rnn", activation="linear", merge_mode="sum"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.case(inputs()).kind)
def test_what_is_written_comes_back_and_runs(layer, tmp_path):
    """The numbers are those of the oracle's formulas."""
    path = saved(tmp_path / "it.onnx", [layer])
    onnx.checker.check_model(path, full_check=True)
    [back] = read_model(path)
    assert_same(layer, back, biases=layer.biases in (0, 2))
    x = inputs()
    outputs, final_state, *_ = onnxruntime.InferenceSession(path).run(None, {"encoder.inputs": x})
    expected, expected_state = answer(layer, x)
    if layer.outputs_reversed:
        expected = expected[:, ::-1]
    np.testing.assert_allclose(outputs, expected, atol=2e-6)
    np.testing.assert_allclose(final_state.reshape(expected_state.shape), expected_state, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_any_dtype_comes_back(dtype, tmp_path):
    layers = [make_layer("gru", dtype=dtype, name="a/b"), make_layer("gru", 2, dtype=dtype, name="c.d")]
    path = saved(tmp_path / "it.onnx", layers)
    onnx.checker.check_model(path, full_check=True)
    for layer, back in zip(layers, read_model(path), strict=True):
        assert_same(layer, back)


def test_a_projection_is_refused(tmp_path):
    with pytest.raises(InvalidModel, match="layer encoder cannot be written for ONNX: it projects"):
        saved(tmp_path / "it.onnx", [make_layer(projection_size=2)])
