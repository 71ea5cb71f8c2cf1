"""Fused LSTMs of TFLite are read as its own interpreter computes them; all else is refused by name."""

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from rnn_lockstep.adapters.models.files import tflite
from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from tests.unit.adapters.files.layers import answer, inputs

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own
D, H = 3, 4
RANDOM = np.random.default_rng(3)
LSTM = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM


def array(*shape):
    return (0.6 * RANDOM.standard_normal(shape)).astype("float32")


def constants(projection=0):
    states = projection or H
    shapes = {**dict.fromkeys(range(1, 5), (H, D)), **dict.fromkeys(range(5, 9), (H, states))}
    shapes |= dict.fromkeys(range(12, 16), (H,)) | ({16: (projection, H)} if projection else {})
    return {place: array(*shape) for place, shape in shapes.items()}


def tensor(model, name, shape, content=None, variable=False):
    """Add a tensor to a model and return its number."""
    made = schema.TensorT()
    made.name, made.shape, made.isVariable = name, list(shape), variable
    made.type = schema.TensorType.FLOAT32
    if content is not None:
        made.type = getattr(schema.TensorType, content.dtype.name.upper())
    buffer = schema.BufferT()
    buffer.data = None if content is None else np.frombuffer(content.tobytes(), np.uint8)
    model.buffers.append(buffer)
    made.buffer = len(model.buffers) - 1
    model.subgraphs[0].tensors.append(made)
    return len(model.subgraphs[0].tensors) - 1


def written(path, operators):
    """A model of operators side by side, for inputs (batch 2, time 5, D), in a file."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    model.buffers, graph.tensors, graph.operators = [schema.BufferT()], [], []
    graph.inputs, graph.outputs = [tensor(model, "x", (2, 5, D))], []
    for k, (given, options) in enumerate(operators):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = options.get("operator", LSTM)
        code.version = 1
        model.operatorCodes.append(code)
        graph.operators.append(node_of(model, k, given, **options))
        graph.outputs += list(graph.operators[-1].outputs)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def node_of(model, k, given, operator=LSTM, activation=schema.ActivationFunctionType.TANH, clip=0.0):
    """Operator k, with what it is given by place."""
    node, states = schema.OperatorT(), len(given[16]) if 16 in given else H
    node.opcodeIndex = k
    places = [0] + [-1] * (23 if max(given) > 19 else 19)
    for place, content in given.items():
        places[place] = tensor(model, f"c{k}/{place}", content.shape, content)
    places[18] = tensor(model, f"h{k}", (2, states), variable=True)
    places[19] = tensor(model, f"c{k}", (2, H), variable=True)
    node.inputs, node.outputs = places, [tensor(model, f"lstm{k}", (2, 5, states))]
    node.builtinOptionsType = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
    node.builtinOptions = schema.UnidirectionalSequenceLSTMOptionsT()
    node.builtinOptions.fusedActivationFunction, node.builtinOptions.cellClip = activation, clip
    return node


def test_fused_lstms_are_read_as_the_interpreter_computes_them(tmp_path):
    path = written(tmp_path / "it.tflite", [(constants(), {}), (constants(projection=2), {})])
    layers = read_model(path)
    told = [(layer.name, layer.hidden_size, layer.projection_size) for layer in layers]
    assert told == [("lstm0", H, 0), ("lstm1", H, 2)]
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs())
    interpreter.invoke()
    for layer, detail in zip(layers, interpreter.get_output_details(), strict=True):
        np.testing.assert_allclose(
            answer(layer, inputs())[0], interpreter.get_tensor(detail["index"]), atol=5e-6
        )


CIFG = {place: a for place, a in constants().items() if place not in (1, 5, 12)}
HYBRID = {**constants(), 2: np.ones((H, D), np.int8)}
ODD = [
    ({**constants(), 10: array(H)}, {}, "it has peepholes"),
    ({**constants(), 20: array(H), 21: array(H)}, {}, "it has layer normalization"),
    (CIFG, {}, "its input 1 is no constant, needs floats"),
    (HYBRID, {}, "its input 2 is of INT8, needs floats"),
    (constants(), {"clip": 3.0}, "it clips its cell state or projection at [3.0, 0.0]"),
    (
        constants(),
        {"activation": schema.ActivationFunctionType.SIGN_BIT},
        "it has the activation SIGN_BIT",
    ),
    (
        constants(),
        {"operator": schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN},
        "it is a UNIDIRECTIONAL_SEQUENCE_RNN; of TFLite's operators UNIDIRECTIONAL_SEQUENCE_LSTM is read",
    ),
]


def test_what_is_not_read_is_refused_by_name(tmp_path):
    found = found_in(
        written(tmp_path / "it.tflite", [*((given, more) for given, more, _ in ODD), (constants(), {})])
    )
    for layer, (_, _, told) in zip(found[:-1], ODD, strict=True):
        assert told in layer.reason
    assert isinstance(found[-1], RecurrentLayer)


def test_a_model_whose_converter_wrote_loops_has_no_layer(tmp_path):
    layers = [keras.layers.Input((5, D), batch_size=2), keras.layers.LSTM(H)]
    data = tf.lite.TFLiteConverter.from_keras_model(keras.Sequential(layers)).convert()
    (tmp_path / "it.bin").write_bytes(data)
    with pytest.raises(InvalidModel, match=r"it has no recurrent operator but .*WHILE"):
        read_model(tmp_path / "it.bin")


def test_damaged_files_are_told_in_one_line(tmp_path):
    path = written(tmp_path / "it.tflite", [(constants(), {})])
    data = path.read_bytes()
    path.write_bytes(data[:16] + b"\xff" * 99 + data[120:])
    with pytest.raises(InvalidModel, match=r"no TFLite model|crashes on it|no recurrent operator") as caught:
        found_in(path)
    assert str(caught.value).isprintable()


def test_without_tensorflow_that_is_told(tmp_path, monkeypatch):
    path = written(tmp_path / "it.tflite", [(constants(), {})])
    monkeypatch.setattr(tflite, "find_spec", lambda name: None)
    with pytest.raises(InvalidModel, match="tensorflow, which reads it, is not installed"):
        read_model(path)
