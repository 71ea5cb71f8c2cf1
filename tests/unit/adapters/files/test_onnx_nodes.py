"""ONNX models of one node that somebody has made: what is read of it, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import helper

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel


def with_node(change=None, kind="LSTM", tensors=None, **attributes):
    """A model of one node, of which something was changed."""
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * 2
    given = {
        "W": np.ones((1, rows, 3), np.float32),
        "R": np.ones((1, rows, 2), np.float32),
        **(tensors or {}),
    }
    names = ["X", "W", "R", "B" if "B" in given else "", "", "", "", "P" if "P" in given else ""]
    node = helper.make_node(kind, names, ["Y", "Y_h"], name="it", **{"hidden_size": 2, **attributes})
    value = helper.make_tensor_value_info("X", 1, ["time", "batch", 3])
    made = helper.make_tensor_value_info("Y", 1, ["time", 1, "batch", 2])
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in given.items()]
    model = helper.make_model(helper.make_graph([node], "it", [value], [made], constants))
    if change:
        change(model.graph)
    return model.SerializeToString()


def external(**entries):
    """W in another file."""

    def change(graph):
        graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        graph.initializer[0].ClearField("raw_data")
        for key, value in entries.items():
            graph.initializer[0].external_data.add(key=key, value=str(value))

    return with_node(change)


def replaced(**fields):
    """W with other fields."""

    def change(graph):
        for name, value in fields.items():
            if name == "dims":
                graph.initializer[0].dims[:] = value
            else:
                setattr(graph.initializer[0], name, value)

    return with_node(change)


def doubled(graph):
    """W put together of itself, again and again."""
    for k in range(28):
        name, new = graph.initializer[0].name if k == 0 else f"W{k}", f"W{k + 1}"
        graph.node.append(helper.make_node("Concat", [name, name], [new], axis=0))
    graph.node[0].input[1] = "W28"


def circular(graph):
    graph.node.append(helper.make_node("Identity", ["loop"], ["loop"]))
    graph.node[0].input[1] = "loop"


def computed(graph):
    graph.node.append(helper.make_node("Relu", ["W"], ["positive"]))
    graph.node[0].input[1] = "positive"


def from_outside(graph):
    graph.node[0].input[1] = "nothing"


EMPTY = helper.make_model(helper.make_graph([], "it", [], [])).SerializeToString()
HARD = {"activations": ["HardSigmoid", "Tanh", "Tanh"]}
REFUSED = {
    "no model": (b"\xff" * 99, "no ONNX model"),
    "no nodes": (
        helper.make_model(helper.make_graph([], "it", [], [])).SerializeToString(),
        "no RNN, GRU or",
    ),
    "peepholes": (with_node(tensors={"P": np.ones((1, 6), np.float32)}), "peepholes"),
    "clip": (with_node(clip=3.0), "clip=3"),
    "input_forget": (with_node(input_forget=1), "input_forget"),
    "layout": (with_node(layout=2), "layout is 2"),
    "direction": (with_node(direction="up"), "direction is 'up'"),
    "direction that is a number": (with_node(direction=1), "its direction is a int"),
    "direction of capitals": (with_node(direction="FORWARD"), "direction is 'FORWARD'"),
    "two activations": (
        with_node(activations=["Sigmoid", "Tanh", "Softsign"]),
        "activation is tanh in one place and softsign in another",
    ),
    "two directions": (
        with_node(kind="RNN", activations=["Tanh", "Relu"], direction="bidirectional"),
        "activation is tanh in one place and relu in another",
    ),
    "gate": (with_node(activations=["Softplus", "Tanh", "Tanh"]), "the activation Softplus"),
    "elu": (
        with_node(activations=["Sigmoid", "Elu", "Elu"], activation_alpha=[1.0, 0.5]),
        "Elu of alpha=0.5",
    ),
    "affine of nothing": (with_node(kind="RNN", activations=["Affine"]), "Affine of alpha=0 and beta=0"),
    "affine": (
        with_node(kind="RNN", activations=["Affine"], activation_alpha=[2.0], activation_beta=[0.0]),
        "Affine of alpha=2 and beta=0",
    ),
    "a name of ours": (
        with_node(activations=["hard_sigmoid", "Tanh", "Tanh"]),
        "activation hard_sigmoid",
    ),
    "slope": (with_node(activation_alpha=[0.3], **HARD), "HardSigmoid of alpha=0.3"),
    "slopes": (with_node(activation_alpha=[0.2, 0.2], **HARD), "2 values of activation_alpha"),
    "no list of slopes": (with_node(activation_alpha=0.2, **HARD), "its activation_alpha is a float"),
    "no list of activations": (with_node(activations="Tanh"), "its activations is a bytes"),
    "few activations": (with_node(activations=["Tanh"]), "1 activations, needs 3"),
    "one direction": (with_node(direction="bidirectional"), "not of 2 directions"),
    "gru": (with_node(kind="GRU", linear_before_reset=3), "linear_before_reset is 3"),
    "integers": (with_node(tensors={"W": np.ones((1, 8, 3), np.int8)}), "dtype int8"),
    "dtype": (replaced(data_type=9999), "unknown dtype"),
    "dims": (replaced(dims=[1, 8, 2**50]), r"W has shape \(1, 8, 1125899906842624\)"),
    "negative dims": (replaced(dims=[1, -8, -3]), "W has shape"),
    "empty": (replaced(dims=[0, 2**60, 3], raw_data=b""), "is empty"),
    "cut": (replaced(raw_data=b"1234"), "and 4 bytes"),
    "computed": (with_node(computed), "made by Relu, needs a constant"),
    "given": (with_node(from_outside), "given from outside"),
    "circular": (with_node(circular), "made by Identity, needs a constant"),
    "doubled": (with_node(doubled), "more numbers than the file should need"),
    "a path up": (external(location="../secret", length=96), "no file in the same folder"),
    "a path": (external(location="/etc/passwd", length=96), "no file in the same folder"),
    "a folder": (external(location=".", length=96), "no file in the same folder|no regular file"),
    "no file": (external(location="missing", length=96), "No such file"),
    "too long": (external(location="it.onnx", length=2**50), "needs 1125899906842624 from 0"),
    "negative": (external(location="it.onnx", length=-1), "needs -1"),
    "no length": (external(location="it.onnx"), "lies in it.onnx"),
    "no number": (external(location="it.onnx", length="9" * 9999), "lies in it.onnx"),
    "a link": (external(location="link", length=96), "no file in the same folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_can_be_is_told_in_one_line(name, tmp_path):
    data, message = REFUSED[name]
    (tmp_path / "it.onnx").write_bytes(data)
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidModel, match=message) as caught:
        read_model(tmp_path / "it.onnx")
    assert str(caught.value).isprintable()


def test_an_alpha_of_keras_3_is_known(tmp_path):
    (tmp_path / "it.onnx").write_bytes(with_node(activation_alpha=[1 / 6], **HARD))
    [layer] = read_model(tmp_path / "it.onnx")
    assert layer.recurrent_activation == "hard_sigmoid"
    (tmp_path / "it.onnx").write_bytes(with_node(**HARD))
    [layer] = read_model(tmp_path / "it.onnx")
    assert layer.recurrent_activation == "hard_sigmoid_keras2"


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        (["HardSigmoid", "Elu", "Elu"], {}),
        (["hardsigmoid", "ELU", "elu"], {"activation_alpha": [0.2, 1.0, 1.0], "activation_beta": [0.5]}),
        (["HardSigmoid", "Elu", "Elu"], {"activation_beta": [0.5, 9.0, 9.0]}),  # one for each, used or not
    ],
)
def test_parameters_go_to_the_activations_that_have_them(names, attributes, tmp_path):
    (tmp_path / "it.onnx").write_bytes(with_node(activations=names, **attributes))
    [layer] = read_model(tmp_path / "it.onnx")
    assert (layer.activation, layer.recurrent_activation) == ("elu", "hard_sigmoid_keras2")


def test_a_gru_applies_the_reset_gate_before_unless_told(tmp_path):
    for attributes in ({}, {"linear_before_reset": 1}):
        (tmp_path / "it.onnx").write_bytes(with_node(kind="GRU", **attributes))
        [layer] = read_model(tmp_path / "it.onnx")
        assert layer.reset_after == bool(attributes)


@pytest.mark.parametrize(("axis", "merge", "assumed"), [(0, "concat", True), (1, "ave", False)])
def test_a_mean_of_directions_is_told_from_one_over_time(axis, merge, assumed, tmp_path):
    def with_mean(graph):
        graph.node.append(helper.make_node("ReduceMean", ["Y"], ["mean"], axes=[axis]))

    both = {"W": np.ones((2, 8, 3), np.float32), "R": np.ones((2, 8, 2), np.float32)}
    (tmp_path / "it.onnx").write_bytes(with_node(with_mean, tensors=both, direction="bidirectional"))
    [layer] = read_model(tmp_path / "it.onnx")
    assert layer.merge_mode == merge
    assert ("merge_mode" in layer.assumed) == assumed
