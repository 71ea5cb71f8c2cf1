"""Files that the installed Keras makes are read as what Keras answers, and it loads those we write."""

import re
from importlib.util import find_spec

import numpy as np
import pytest

from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.reference.oracle.engine import PLAIN
from tests.unit.adapters.files.keras_saving import SAVED, save
from tests.unit.adapters.files.layers import in_keras_order, same_bits

pytestmark = [
    pytest.mark.skipif(find_spec("keras") is None, reason="Keras makes the files, and is not here"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]
TIME, SIZE = 5, 4
CLOSE = 1e-5  # in float64: wrong conventions are farther apart, TensorFlow's hard_sigmoid is not


def randomized(model):
    """Give a layer other weights than the initial ones, whose biases are zeros."""
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def sequential(keras, *layers):
    return randomized(keras.Sequential([keras.Input((TIME, SIZE), dtype="float64"), *layers]))


def options(**more):
    return {"dtype": "float64", "return_sequences": True, **more}


def built(keras, kind):
    """A model, and its recurrent layers by the name that each has in a file."""
    L = keras.layers
    if kind == "stacked":
        layers = [L.LSTM(3, **options()), L.LSTM(3, **options()), L.GRU(3, **options()), L.LSTM(2)]
        layers = [*layers[:3], L.LSTM(2, dtype="float64", name="last")]
        return sequential(keras, *layers), {layer.name: layer for layer in layers}
    if kind == "cells":
        inner = [L.GRUCell(3, dtype="float64"), L.GRUCell(3, dtype="float64")]
        layers = [
            L.SimpleRNN(3, activation="relu", use_bias=False, go_backwards=True, **options(name="back")),
            L.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid", **options(name="before")),
            L.RNN(inner, **options(name="stack")),
            L.RNN(L.LSTMCell(3, use_bias=False, dtype="float64"), go_backwards=True, dtype="float64"),
        ]
        return sequential(keras, *layers), {layer.name: layer for layer in layers}
    if kind == "activations":
        own = {"activation": "softsign", "recurrent_activation": "elu"}
        layers = [
            L.LSTM(3, activation="relu", **options(name="relu")),
            L.GRU(3, activation="elu", recurrent_activation="hard_sigmoid", **options(name="elu")),
            L.Bidirectional(L.LSTM(2, **own, **options()), dtype="float64", name="both"),
            L.GRU(3, activation=None, reset_after=False, dtype="float64", name="linear"),
        ]
        return sequential(keras, *layers), {layer.name: layer for layer in layers}
    if kind == "bidirectional":
        backward = L.GRU(3, go_backwards=True, **options(name="other"))
        layers = [
            L.Bidirectional(L.LSTM(2, **options()), merge_mode="sum", dtype="float64"),
            L.Bidirectional(L.GRU(3, **options()), backward_layer=backward, dtype="float64", name="both"),
            L.Bidirectional(L.SimpleRNN(3, dtype="float64"), merge_mode="ave", dtype="float64"),
        ]
        return sequential(keras, *layers), {layer.name: layer for layer in layers}
    own, deep = L.LSTM(2, **options(name="lstm")), L.GRU(3, **options(name="lstm_1"))
    deepest = keras.Sequential([keras.Input((TIME, 2), dtype="float64"), deep], name="deepest")
    inner = keras.Sequential([keras.Input((TIME, SIZE), dtype="float64"), own, deepest], name="inner")
    apart = L.LSTM(2, **options(name="apart"))
    start = keras.Input((TIME, SIZE), dtype="float64")
    ends = [inner(start), L.TimeDistributed(inner)(keras.ops.stack([start] * 2, axis=1)), apart(start)]
    model = keras.Model(start, ends)
    return randomized(model), {"inner/lstm": own, "inner/deepest/lstm_1": deep, "apart": apart}


def answer(keras, layer, inputs, mask=None):
    kwargs = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}
    return np.asarray(layer(keras.ops.convert_to_tensor(inputs), **kwargs))


@pytest.mark.parametrize("kind", ["stacked", "cells", "activations", "bidirectional", "nested"])
def test_what_keras_saves_is_what_it_answers(kind, keras, tmp_path):
    model, expected = built(keras, kind)
    whole = {layer.name: layer for layer in read_model(save(model, tmp_path / "model.keras"))}
    assert list(whole) == list(expected)
    for name, layer in expected.items():
        read = whole[name]
        inputs = np.random.default_rng(1).normal(size=(2, TIME, read.input_size))
        ours = PLAIN.answer(read.case(inputs)).outputs
        np.testing.assert_allclose(in_keras_order(read, ours), answer(keras, layer, inputs), atol=CLOSE)
        assert read.assumed == ()
    legacy = {layer.name: layer for layer in read_model(save(model, tmp_path / "model.h5"))}
    for name, layer in whole.items():
        assert same_bits(legacy[name], layer)
        assert legacy[name].same_options(layer) == []
    alone = {layer.name: layer for layer in read_model(save(model, tmp_path / "model.weights.h5"))}
    for name, layer in whole.items():
        assert same_bits(alone[name], layer)
        assert set(alone[name].assumed) >= {"activation", "return_sequences"}
        assert alone[name].same_options(layer) == []


def test_masked_steps(keras, tmp_path):
    lstm = keras.layers.LSTM(3, **options())
    model = sequential(keras, keras.layers.Masking(dtype="float64"), lstm)
    (layer,) = read_model(save(model, tmp_path / "model.keras"))
    inputs = np.random.default_rng(2).normal(size=(2, TIME, SIZE))
    mask = np.array([[True] * 3 + [False] * 2, [True, False, True, False, True]])
    inputs[~mask] = 0
    ours = PLAIN.answer(layer.case(inputs, mask=mask)).outputs
    np.testing.assert_allclose(ours[mask], np.asarray(model(inputs))[mask], atol=CLOSE)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_float16"])
@pytest.mark.parametrize("name", SAVED)
def test_dtypes(dtype, name, keras, tmp_path):
    layer = keras.layers.GRU(3, dtype=dtype, recurrent_initializer="zeros")
    model = keras.Sequential([keras.Input((TIME, SIZE)), layer])
    values = np.arange(36).reshape(4, 9) / 8
    layer.cell.kernel.assign(values)
    (read,) = read_model(save(model, tmp_path / name))
    assert read.dtype.name == dtype.replace("mixed_float16", "float32")
    np.testing.assert_array_equal(read.cells[0].W[:3].astype(float), values.T[3:6])


@pytest.mark.parametrize("name", SAVED[:2])
def test_what_cannot_be_checked_is_told_by_name_and_costs_no_other(name, keras, tmp_path):
    L = keras.layers

    @keras.saving.register_keras_serializable()
    class Mine(L.LSTM):
        pass

    refused = {
        "layer unknown: activation is 'gelu'": L.LSTM(2, activation="gelu", name="unknown"),
        "layer gates: recurrent_activation is 'silu'": L.GRU(2, recurrent_activation="silu", name="gates"),
        "layer own: activation is a function from outside": L.LSTM(2, activation=loud, name="own"),
        "layer lists has merge_mode None": L.Bidirectional(L.GRU(2), merge_mode=None, name="lists"),
        "layer tall has cells of several": L.RNN([L.LSTMCell(2), L.LSTMCell(3)], name="tall"),
        "(class|layer) .*(?i:mine).*": Mine(2, name="mine"),
    }
    for message, layer in refused.items():
        keras.saving.register_keras_serializable()(loud)
        good = L.LSTM(2, return_sequences=True, name="good")
        model = keras.Sequential([keras.Input((TIME, SIZE)), good, layer])
        found = {one.name: one for one in found_in(save(model, tmp_path / name))}
        assert found.keys() == {"good", layer.name}
        assert re.search(message, found[layer.name].reason)
        np.testing.assert_array_equal(found["good"].cells[0].W, np.asarray(good.cell.kernel).T)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", SAVED[:2])
def test_other_recurrent_layers_cost_no_ordinary_one(nested, name, keras, tmp_path):
    L = keras.layers
    inputs = keras.Input((TIME, 6, 6, 1))
    convolved = L.ConvLSTM2D(2, 3, return_sequences=True, name="conv")(inputs)
    outputs = L.LSTM(3, name="good")(L.Reshape((TIME, -1))(convolved))
    model = keras.Model(inputs, outputs, name="inner")
    if nested:
        outer = keras.Input((TIME, 6, 6, 1))
        model = keras.Model(outer, model(outer))
    found = {one.name.rpartition("/")[2]: one for one in found_in(save(randomized(model), tmp_path / name))}
    assert "ConvLSTM2D" in found["conv"].reason
    inner = model.get_layer("inner") if nested else model
    np.testing.assert_array_equal(found["good"].cells[0].W, np.asarray(inner.get_layer("good").cell.kernel).T)


def loud(x):
    return 2 * x


def test_a_model_of_ones_own_class_tells_its_weights_only(keras, tmp_path):
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [keras.layers.LSTM(3), keras.layers.LSTM(3)]

        def call(self, inputs):
            return [block(inputs) for block in self.blocks]

    model = Mine()
    model(np.ones((1, TIME, SIZE)))
    with pytest.raises(InvalidModel, match=r"class Mine.*save the weights alone"):
        read_model(save(model, tmp_path / "model.keras"))
    layers = read_model(save(model, tmp_path / "model.weights.h5"))
    for layer, block in zip(layers, model.blocks, strict=True):
        assert layer.name.endswith(block.name)
        np.testing.assert_array_equal(layer.cells[0].W, block.cell.kernel.numpy().T)
