"""HDF5 files as Keras 2 made them: other names, options by their old defaults, and cuDNN's own order."""

import json

import h5py
import numpy as np
import pytest

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel

RNG = np.random.default_rng(5)
LSTM = {"return_sequences": True, "units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}


def arrays(gates, units=2, input_size=3, bias=None):
    shapes = [(input_size, gates * units), (units, gates * units), bias or (gates * units,)]
    return [RNG.normal(size=shape).astype(np.float32) for shape in shapes]


def named(prefix, values, suffix=":0"):
    names = ("kernel", "recurrent_kernel", "bias")
    return {f"{prefix}/{name}{suffix}": value for name, value in zip(names, values, strict=False)}


def item(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def write(path, groups, layers=None, version="2.4.0", kind="Sequential"):
    """Write a file of groups of weights, and of a whole model where it has layers."""
    with h5py.File(path, "w") as file:
        group = file
        if layers is not None:
            config = layers if kind == "list" else {"name": "model", "layers": layers}
            model = {"class_name": "Sequential" if kind == "list" else kind, "config": config}
            file.attrs["model_config"] = json.dumps(model).encode()
            group = file.create_group("model_weights")
        for place in (file, group) if version else ():
            place.attrs["keras_version"] = version.encode()
        group.attrs["layer_names"] = [name.encode() for name in groups]
        for name, weights in groups.items():
            own = group.create_group(name)
            own.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                own[weight] = array
    return path


@pytest.mark.parametrize(
    ("prefix", "suffix", "kind"),
    [
        ("lstm_1", ":0", "list"),
        ("lstm_1/lstm_cell_3", ":0", "Sequential"),
        ("model/lstm_1_1", "", "Model"),
        ("while/cell", ":0", "Functional"),
    ],
)
def test_names_of_weights(prefix, suffix, kind, tmp_path):
    kernel, recurrent, bias = weights = arrays(4)
    groups = {"in": {}, "lstm_1": named(prefix, weights, suffix), "dense": named("dense", [kernel], suffix)}
    layers = [item("InputLayer", "in"), item("LSTM", "lstm_1", **LSTM), item("Dense", "dense", units=1)]
    (layer,) = read_model(write(tmp_path / "it.h5", groups, layers, kind=kind))
    np.testing.assert_array_equal(layer.cells[0].W, kernel.T)
    np.testing.assert_array_equal(layer.cells[0].U, recurrent.T)
    np.testing.assert_array_equal(layer.cells[0].b, bias)
    assert (layer.name, layer.cell, layer.return_sequences) == ("lstm_1", "lstm", True)


@pytest.mark.parametrize(
    ("version", "meant"),
    [("2.2.4-tf", "hard_sigmoid_keras2"), ("2.15.0", "hard_sigmoid_keras2"), ("3.0.0", "hard_sigmoid")],
)
def test_hard_sigmoid_means_what_it_did_in_the_version(version, meant, tmp_path):
    own = {**LSTM, "activation": "hard_sigmoid"}
    groups, layers = {"it": named("it", arrays(4))}, [item("LSTM", "it", **own)]
    (layer,) = read_model(write(tmp_path / "it.h5", groups, layers, version))
    assert (layer.activation, layer.recurrent_activation) == (meant, meant)


def test_a_gru_from_before_reset_after(tmp_path):
    groups, layers = {"it": named("it", arrays(3))}, [item("GRU", "it", **LSTM)]
    (layer,) = read_model(write(tmp_path / "it.h5", groups, layers))
    assert not layer.reset_after
    groups = {"it": named("it", arrays(3, bias=(2, 6)))}
    with pytest.raises(InvalidModel, match=r"layer it has weights of shape .*, needs those of 2 units"):
        read_model(write(tmp_path / "it.h5", groups, layers))


@pytest.mark.parametrize("frozen", [False, True])
def test_bidirectional_and_nested_cells_are_told_by_name_not_order(frozen, tmp_path):
    parts = {
        "bi/forward_a/lstm_cell": arrays(4),
        "bi/backward_a/lstm_cell": arrays(4),
        "a/lstm_cell": arrays(4),
    }
    order = list(parts)[::-1] if frozen else list(parts)
    groups = {"inner": {k: v for name in order for k, v in named(name, parts[name]).items()}}
    both = item("Bidirectional", "bi", merge_mode="ave", layer=item("LSTM", "a", **LSTM))
    inner = item("Model", "inner", layers=[both, item("LSTM", "a", **LSTM)])
    bidirectional, single = read_model(write(tmp_path / "it.h5", groups, [inner], kind="Model"))
    assert (bidirectional.name, single.name) == ("inner/bi", "inner/a")
    assert bidirectional.merge_mode == "ave"
    cells = [*bidirectional.cells, *single.cells]
    for cell, (kernel, *_) in zip(cells, parts.values(), strict=True):
        np.testing.assert_array_equal(cell.W, kernel.T)


def test_names_that_do_not_tell_are_refused(tmp_path):
    groups = {"inner": {**named("x", arrays(4)), **named("y", arrays(4))}}
    inner = item("Model", "inner", layers=[item("LSTM", "a", **LSTM), item("LSTM", "b", **LSTM)])
    with pytest.raises(InvalidModel, match="layer inner: its weights' names do not tell which cell"):
        read_model(write(tmp_path / "it.h5", groups, [inner], kind="Model"))


@pytest.mark.parametrize("whole", [True, False])
def test_cudnn_layers(whole, tmp_path):
    """Each gate's matrix is stored as (H, in), under the shape (in, H), and has two biases."""
    kernel, recurrent, bias = weights = arrays(4, bias=(16,))
    layers = [item("CuDNNLSTM", "it", units=2)] if whole else None
    (layer,) = read_model(write(tmp_path / "it.h5", {"it": named("it", weights)}, layers))
    W, U, b, recurrent_b, *_ = layer.cells[0]
    for gate in range(4):
        rows = slice(2 * gate, 2 * gate + 2)
        np.testing.assert_array_equal(W[rows].ravel(), kernel[:, rows].ravel())
        np.testing.assert_array_equal(U[rows], recurrent[:, rows])
    np.testing.assert_array_equal([b, recurrent_b], bias.reshape(2, 8))


def test_weights_alone(tmp_path):
    both = {f"bi/{way}_rnn/simple_rnn_cell": arrays(1) for way in ("backward", "forward")}
    stacked = {f"rnn/stacked_rnn_cells/gru_cell_{k}": arrays(3, input_size=3 - k) for k in (0, 1)}
    groups = {
        "in": {},
        "lstm": named("lstm/lstm_cell", arrays(4)),
        "bi": {k: v for name, own in both.items() for k, v in named(name, own).items()},
        "rnn": {k: v for name, own in stacked.items() for k, v in named(name, own).items()},
        "inner": named("deep/gru_cell", arrays(3, bias=(2, 6))),
    }
    with pytest.raises(InvalidModel, match="layer rnn has cells of several kinds or sizes"):
        read_model(write(tmp_path / "it.h5", {"rnn": {**groups["rnn"], **named("rnn", arrays(4))}}))
    layers = {layer.name: layer for layer in read_model(write(tmp_path / "it.h5", groups))}
    assert list(layers) == ["lstm", "bi", "rnn", "inner/deep"]
    assert [layer.cell for layer in layers.values()] == ["lstm", "simple_rnn", "gru", "gru"]
    assert [layer.reset_after for layer in layers.values()][2:] == [False, True]
    forward, backward = layers["bi"].cells
    np.testing.assert_array_equal(forward.W, both["bi/forward_rnn/simple_rnn_cell"][0].T)
    np.testing.assert_array_equal(backward.W, both["bi/backward_rnn/simple_rnn_cell"][0].T)
    assert "merge_mode" in layers["bi"].assumed
    assert layers["rnn"].layers == 2
    assert {"activation", "recurrent_activation", "reverse"} <= set(layers["lstm"].assumed)


def test_keras_1_is_told_what_to_do(tmp_path):
    layers = [item("LSTM", "it", output_dim=2, activation="tanh", inner_activation="hard_sigmoid")]
    with pytest.raises(InvalidModel, match="layer it is of Keras 1: open the file with Keras 2"):
        read_model(write(tmp_path / "it.h5", {"it": {}}, layers, version=None))


def test_variables_as_in_keras_2_13(tmp_path):
    """The layout of Keras 3, under another name and without the layers' own names."""
    first, tenth = arrays(4), arrays(3)
    with h5py.File(tmp_path / "it.weights.h5", "w") as file:
        for layer, values in {"lstm_2": first, "lstm_10": tenth}.items():
            for k, value in enumerate(values):
                file[f"_layer_checkpoint_dependencies/{layer}/cell/vars/{k}"] = value
    layers = read_model(tmp_path / "it.weights.h5")
    assert [(layer.name, layer.cell) for layer in layers] == [("lstm_2", "lstm"), ("lstm_10", "gru")]
    np.testing.assert_array_equal(layers[0].cells[0].W, first[0].T)


@pytest.mark.parametrize(
    ("version", "meant"),
    [
        ("2.2.4", "hard_sigmoid_keras2"),
        ("1.2.0", "hard_sigmoid_keras2"),
        ("2.2.4-tf", "sigmoid"),
        ("2.3.0", "sigmoid"),
        ("2.15.0", "sigmoid"),
        ("3.9.0", "sigmoid"),
        ("", "sigmoid"),
    ],
)
def test_the_usual_gates_are_those_of_the_version_that_wrote_the_weights(version, meant, tmp_path):
    groups = {
        "it": named("it", arrays(4)),
        "cudnn": named("cudnn", arrays(4, bias=(16,))),
        "simple": named("simple", arrays(1)),
    }
    it, cudnn, _ = read_model(write(tmp_path / "it.h5", groups, version=version))
    assert it.recurrent_activation == meant
    assert "recurrent_activation" in it.assumed
    assert cudnn.recurrent_activation == "sigmoid"
