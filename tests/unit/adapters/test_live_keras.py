"""Live Keras layers and models: read, asked as they are, and ported to torch."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.check import check_port


@pytest.fixture(scope="module")
def keras():
    """The module, imported as its adapter does it, and when it is needed."""
    return load("keras").keras


def built(layer, seed=0):
    """The layer with drawn weights, its biases among them."""
    layer.build((None, None, 3))
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return layer


@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "return_state": True}])
@pytest.mark.parametrize(
    "make",
    [
        lambda keras, **options: keras.layers.SimpleRNN(4, activation="relu", **options),
        lambda keras, **options: keras.layers.GRU(
            4, reset_after=False, recurrent_activation="hard_sigmoid", **options
        ),
        lambda keras, **options: keras.layers.GRU(4, activation="elu", **options),
        lambda keras, **options: keras.layers.LSTM(4, activation="relu", **options),
        lambda keras, **options: keras.layers.LSTM(4, go_backwards=True, **options),
        lambda keras, **options: keras.layers.Bidirectional(keras.layers.GRU(4, **options), merge_mode="sum"),
        lambda keras, **options: keras.layers.RNN(keras.layers.LSTMCell(4), **options),
    ],
)
def test_layers_compute_what_is_read_of_them(keras, make, options):
    layer = built(make(keras, **options))
    verdict = check_port(read_live(layer)[0], layer, examples=8)
    assert verdict, verdict
    unseen = any("does not return its final state" in note for note in verdict.notes)
    assert unseen == ("return_state" not in options)


def ported(layer, unordered=False):
    """A GRU in torch: Keras's kernels are (in, 3H), its gates z, r, h."""
    order = (0, 1, 2) if unordered else (1, 0, 2)
    tensors = []
    for variable in layer.weights:
        parts = np.split(variable.numpy(), 3, axis=-1)
        tensors.append(torch.from_numpy(np.concatenate([parts[k] for k in order], axis=-1)))
    kernel, recurrent_kernel, bias = tensors
    port = nn.GRU(3, 4, batch_first=True)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    port.load_state_dict(dict(zip(names, (kernel.T, recurrent_kernel.T, *bias), strict=True)))
    return port


def test_a_model_around_a_layer_is_not_run_and_that_is_said(keras):
    gru = keras.layers.GRU(4, return_sequences=True, name="enc")
    model = keras.Sequential([keras.Input((None, 3)), gru, keras.layers.Dense(2)])
    layer = built(model.layers[0])
    verdict = check_port(read_live(layer)[0], model, examples=4)
    assert str(verdict).startswith("match: layer enc alone; the model around it was not run\n")
    assert not verdict
    assert check_port(read_live(layer)[0], layer, examples=4)


def test_a_port_of_a_models_layer_to_torch(keras):
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(4), keras.layers.Dense(2)])
    layer = built(model.layers[0])
    verdict = check_port(model, ported(layer))
    assert verdict, verdict
    assert not [note for note in verdict.notes if "the source" in note]
    says = "mismatch: the gates are taken in the order z, r, n (Keras's and ONNX's) for r, z, n"
    assert str(check_port(model, ported(layer, unordered=True))).startswith(says)


def test_a_model_is_a_target_as_a_whole(keras):
    layer = built(keras.layers.GRU(4, return_sequences=True))
    model = keras.Sequential([keras.Input((None, 3)), layer])
    verdict = check_port(ported(layer), model, examples=8)
    assert verdict, verdict
    assert "asked of the model" in verdict.asked


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda keras: keras.layers.GRU(4), "has no weights yet"),
        (lambda keras: built(keras.layers.LSTM(4, activation="gelu")), "has the activation gelu"),
        (lambda keras: built(keras.layers.GRU(4, recurrent_activation="silu")), "has the activation silu"),
        (
            lambda keras: built(keras.layers.Bidirectional(keras.layers.GRU(4), merge_mode=None)),
            "merge_mode=None",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(keras, make, message):
    with pytest.raises(InvalidModel, match=message) as error:
        read_live(make(keras))
    assert "\n" not in str(error.value)
