"""Recurrent nodes inside If, Loop and Scan are read; quantized weights are computed, or refused by name."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, inliner, numpy_helper
from onnxruntime.quantization import quantize_dynamic

from rnn_lockstep.adapters import __main__ as command
from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, UnreadLayer
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.files.layers import answer, inputs

D, H = 3, 4
RANDOM = np.random.default_rng(5)
ROWS = {"LSTM": 4, "GRU": 3, "RNN": 1}


def arrays(kind, prefix=""):
    shapes = {"W": (1, ROWS[kind] * H, D), "R": (1, ROWS[kind] * H, H), "B": (1, 2 * ROWS[kind] * H)}
    return {
        prefix + letter: (0.5 * RANDOM.standard_normal(s)).astype("float32") for letter, s in shapes.items()
    }


def stored(given):
    return [numpy_helper.from_array(array, name) for name, array in given.items()]


def node(kind, names, output, inputs="x", **attributes):
    return helper.make_node(kind, [inputs, *names], [output], hidden_size=H, **attributes)


def value(name, shape=("time", 1, "batch", H), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph_of(nodes, given, *, initializers=(), outputs=("y",)):
    return helper.make_graph(
        nodes, "it", [*given, value("x", ["time", "batch", D])], [value(o) for o in outputs], initializers
    )


def saved(path, graph, **more):
    domains = [helper.make_opsetid("", 18), *more.pop("domains", [])]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=9, **more), path)
    return path


def two_branches(path):
    """A GRU in one branch, whose weights are the outer graph's, and an LSTM in the other."""
    outer, inner = arrays("GRU", "g"), arrays("LSTM")
    branches = {
        "then_branch": helper.make_graph([node("GRU", outer, "a")], "then", [], [value("a")]),
        "else_branch": helper.make_graph([node("LSTM", inner, "b")], "else", [], [value("b")], stored(inner)),
    }
    either = helper.make_node("If", ["c"], ["y"], **branches)
    given = [value("c", [], TensorProto.BOOL)]
    return saved(path, graph_of([either], given, initializers=stored(outer)))


def run(path, **given):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": inputs().swapaxes(0, 1), **given})[0]


def assert_computes(layer, output):
    """Assert that the oracle's answer is ONNX Runtime's outputs (time, 1, batch, H)."""
    np.testing.assert_allclose(answer(layer, inputs())[0], output[:, 0].swapaxes(0, 1), atol=2e-6)


def test_both_branches_of_an_if_are_read(tmp_path):
    path = two_branches(tmp_path / "it.onnx")
    other, then = read_model(path)
    assert [other.name, then.name] == ["else_branch/lstm", "then_branch/gru"]
    assert_computes(then, run(path, c=np.array(True)))
    assert_computes(other, run(path, c=np.array(False)))


def test_a_layer_of_a_branch_is_moved_and_checked_as_any_other(tmp_path):
    path = two_branches(tmp_path / "it.onnx")
    new = tmp_path / "new.safetensors"
    assert command.main(["convert", str(path), str(new), "--layer", "lstm"]) == 0
    assert check_port(path, new, source_layer="else_branch/lstm", examples=2)
    assert command.main(["convert", str(path), str(tmp_path / "gru.npz"), "--layer", "gru"]) == 0


def looped(path, weights, carried=()):
    """A Loop over a GRU; carried: the names of the weights that are handed from one round to the next."""
    body = helper.make_graph(
        [
            node("GRU", weights, "z"),
            helper.make_node("Identity", ["keep"], ["again"]),
            *(helper.make_node("Identity", [name], [f"{name}.next"]) for name in carried),
        ],
        "body",
        [value("round", [], TensorProto.INT64), value("keep", [], TensorProto.BOOL)]
        + [value(name, weights[name].shape) for name in carried],
        [value("again", [], TensorProto.BOOL)]
        + [value(f"{name}.next", weights[name].shape) for name in carried]
        + [value("z")],
    )
    rounds = stored({"rounds": np.array(1), "yes": np.array(True)})
    names = [f"{name}.first" for name in carried]
    loop = helper.make_node(
        "Loop", ["rounds", "yes", *names], [*(f"{n}.last" for n in carried), "ys"], body=body
    )
    first = {f"{name}.first" if name in carried else name: array for name, array in weights.items()}
    squeeze = helper.make_node("Squeeze", ["ys", "zero"], ["y"])
    zero = stored({"zero": np.array([0])})
    return saved(path, graph_of([loop, squeeze], [], initializers=[*rounds, *zero, *stored(first)]))


def test_the_body_of_a_loop_is_read(tmp_path):
    path = looped(tmp_path / "it.onnx", arrays("GRU"))
    [layer] = read_model(path)
    assert layer.name == "body/gru"
    assert_computes(layer, run(path))


def test_weights_that_a_loop_may_change_are_no_constants_of_the_graph_around_it(tmp_path):
    weights = arrays("GRU")
    path = looped(tmp_path / "it.onnx", weights, carried=("W",))
    [layer] = found_in(path)
    assert layer == UnreadLayer("body/gru", layer.reason)
    assert "W is given from outside, needs a constant" in layer.reason


def test_an_output_that_a_branch_takes_is_all_outputs(tmp_path):
    weights = arrays("GRU")
    rnn = helper.make_node("GRU", ["x", *weights], ["all", "last"], hidden_size=H, name="encoder")
    then = helper.make_graph([helper.make_node("Identity", ["all"], ["a"])], "then", [], [value("a")])
    other = helper.make_graph([helper.make_node("Relu", ["all"], ["b"])], "else", [], [value("b")])
    either = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    graph = graph_of([rnn, either], [value("c", [], TensorProto.BOOL)], initializers=stored(weights))
    graph.output.append(value("last", [1, "batch", H]))
    [layer] = read_model(saved(tmp_path / "it.onnx", graph))
    assert layer.return_sequences


def test_layers_of_one_name_are_numbered(tmp_path):
    nodes, given = [], {}
    for k in range(2):
        weights = arrays("RNN", f"r{k}")
        given |= weights
        branch = helper.make_graph([node("RNN", weights, f"a{k}", name="n")], "then", [], [value(f"a{k}")])
        empty = helper.make_graph(
            [helper.make_node("RandomNormal", [], [f"b{k}"], shape=[1, 1, 1, H])],
            "else",
            [],
            [value(f"b{k}")],
        )
        nodes.append(helper.make_node("If", ["c"], [f"y{k}"], then_branch=branch, else_branch=empty))
    flag = [value("c", [], TensorProto.BOOL)]
    graph = graph_of(nodes, flag, initializers=stored(given), outputs=("y0", "y1"))
    layers = read_model(saved(tmp_path / "it.onnx", graph))
    assert [layer.name for layer in layers] == ["then_branch/n", "then_branch/n_1"]
    np.testing.assert_array_equal(layers[1].cells[0].U, given["r1R"][0])


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_weights_made_by_dequantize_linear_are_what_the_runtime_makes(axis, kind, tmp_path):
    """One scale for all, or one a row, with a zero point of unsigned numbers."""
    weights = arrays("LSTM")
    numbers = np.round(weights["W"] * 50 + (128 if kind == "uint8" else 0)).clip(-128, 255).astype(kind)
    count = 1 if axis is None else numbers.shape[1]
    scale = np.linspace(0.011, 0.023, count).astype("float32").reshape(() if axis is None else (count,))
    zero = np.full_like(scale, 128 if kind == "uint8" else 0, kind)
    given = {"R": weights["R"], "B": weights["B"], "Wq": numbers, "scale": scale, "zero": zero}
    more = {} if axis is None else {"axis": axis}
    made = helper.make_node("DequantizeLinear", ["Wq", "scale", "zero"], ["W"], **more)
    path = saved(
        tmp_path / "it.onnx", graph_of([made, node("LSTM", weights, "y")], [], initializers=stored(given))
    )
    [layer] = read_model(path)
    assert_computes(layer, run(path))


def test_weights_of_half_precision_that_a_cast_widens_are_read(tmp_path):
    weights = arrays("RNN")
    given = {**weights, "half": weights["R"].astype("float16")}
    del given["R"]
    cast = helper.make_node("Cast", ["half"], ["R"], to=TensorProto.FLOAT)
    path = saved(
        tmp_path / "it.onnx", graph_of([cast, node("RNN", weights, "y")], [], initializers=stored(given))
    )
    [layer] = read_model(path)
    assert_computes(layer, run(path))


def test_a_quantized_lstm_is_refused_by_name_with_its_scales(tmp_path):
    """What ONNX Runtime's own quantizer writes, with a layer beside that it leaves alone."""
    lstm, gru = arrays("LSTM", "l"), arrays("GRU", "g")
    nodes = [node("LSTM", lstm, "y", name="odd"), node("GRU", gru, "z", name="good")]
    path = saved(
        tmp_path / "it.onnx", graph_of(nodes, [], initializers=stored(lstm | gru), outputs=("y", "z"))
    )
    quantize_dynamic(path, tmp_path / "new.onnx", op_types_to_quantize=["LSTM"])
    odd = {layer.name: layer for layer in found_in(tmp_path / "new.onnx")}.pop("odd_quant")
    assert odd.reason.startswith("it is a DynamicQuantizeLSTM of com.microsoft (W int8 (1, 3, 16), scale 0.0")
    assert "rounds its inputs and states to 8 bits at each step" in odd.reason
    assert [layer.name for layer in read_model(tmp_path / "new.onnx")] == ["good"]


def test_a_runtimes_own_operators_are_refused_by_name(tmp_path):
    own = helper.make_node("AttnLSTM", ["x"], ["y"], domain="com.microsoft", name="odd")
    path = saved(tmp_path / "it.onnx", graph_of([own], []))
    with pytest.raises(InvalidModel, match=r"AttnLSTM of com\.microsoft, which is no operator of ONNX"):
        read_model(path)


def test_a_node_in_a_function_tells_how_to_have_it_read(tmp_path):
    weights = arrays("LSTM")
    opset = [helper.make_opsetid("", 18)]
    function = helper.make_function("mine", "F", ["x", *weights], ["y"], [node("LSTM", weights, "y")], opset)
    call = helper.make_node("F", ["x", *weights], ["y"], domain="mine")
    path = saved(
        tmp_path / "it.onnx",
        graph_of([call], [], initializers=stored(weights)),
        functions=[function],
        domains=[helper.make_opsetid("mine", 1)],
    )
    with pytest.raises(InvalidModel, match=r"in the function F: onnx\.inliner\.inline_local_functions"):
        read_model(path)
    onnx.save(inliner.inline_local_functions(onnx.load(path)), path)
    [layer] = read_model(path)
    assert_computes(layer, run(path))


def test_where_there_is_none_the_nodes_and_arrays_are_listed(tmp_path):
    given = stored({"fc.weight": np.ones((H, D), np.float32)})
    dense = [helper.make_node("MatMul", ["x", "fc.weight"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
    told = r"no RNN, GRU or LSTM node .*dynamo=False.* but MatMul, Relu; it has fc\.weight \(4, 3\)$"
    with pytest.raises(InvalidModel, match=told):
        read_model(saved(tmp_path / "it.onnx", graph_of(dense, [], initializers=given)))


def test_a_damaged_dequantizer_is_told_in_one_line(tmp_path):
    weights = arrays("RNN")
    for numbers, scale, more, told in [
        (np.ones((1, H, D), np.int8), np.ones(7, np.float32), {"axis": 1}, "could not be broadcast"),
        (np.ones((1, H, D), np.int8), np.ones(H, np.float32), {"axis": 9}, "damaged DequantizeLinear"),
        (np.ones((1, H, D), np.int8), np.ones(H, np.float32), {"block_size": 2}, "quantized in blocks"),
        (np.ones((1, H, D), np.int8), np.ones(1, np.float16), {}, "numbers of int8 with scales of float16"),
        (weights["W"], np.ones(1, np.float32), {}, "numbers of float32 with scales"),
    ]:
        given = {"R": weights["R"], "B": weights["B"], "Wq": numbers, "scale": scale}
        made = helper.make_node("DequantizeLinear", ["Wq", "scale"], ["W"], **more)
        graph = graph_of([made, node("RNN", weights, "y")], [], initializers=stored(given))
        with pytest.raises(InvalidModel, match=told):
            read_model(saved(tmp_path / "it.onnx", graph))
