"""Archives by other names: torch's shortened, equinox's, haiku's, flax's, Keras's, or none at all."""

import keras
import numpy as np
import pytest
import torch
from flax import linen as nn
from flax.traverse_util import flatten_dict
from jax import random

from rnn_lockstep.adapters import __main__ as command
from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, UnreadLayer
from tests.unit.adapters.files.layers import answer, inputs

D, H = 3, 4
RANDOM = np.random.default_rng(11)


def array(*shape):
    return (0.6 * RANDOM.standard_normal(shape)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layers_in(tmp_path, *unnamed, **arrays):
    np.savez(tmp_path / "it.npz", *unnamed, **arrays)
    return read_model(tmp_path / "it.npz")


def walked(step, *states):
    """The outputs (batch, time, H) of a cell that is a function of inputs and states, from zeros."""
    x = inputs().astype("float64")
    given, outputs = [np.zeros((len(x), H)) for _ in states], []
    for t in range(x.shape[1]):
        given = step(x[:, t], *given)
        outputs.append(given[0])
    return np.stack(outputs, 1)


def assert_computes(layer, expected):
    np.testing.assert_allclose(answer(layer, inputs())[0], expected, atol=2e-6)


SPELLINGS = {
    "enc": "enc_{kind}_{side}",
    "a.b": "a.b.{Kind}_{side}_l0",
    "rnn": "rnn/{kind}_{side}_l0",
    "": "{kind}{side}",
    "x_y": "x_y/{Kind}_{side}",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_torchs_names_are_known_by_other_spellings(name, tmp_path):
    module = torch.nn.LSTM(D, H, batch_first=True)
    short = {"weight": ("w", "W"), "bias": ("b", "bias")}
    if name == "rnn":
        short = {"weight": ("weight", ""), "bias": ("bias", "")}
    arrays = {}
    for key, tensor in module.state_dict().items():
        word, side = key.split("_")[:2]
        kind, other = short[word]
        arrays[SPELLINGS[name].format(kind=kind, Kind=other, side=side)] = tensor.numpy()
    [layer] = layers_in(tmp_path, **arrays)
    assert layer.name == (name or "lstm")
    assert_computes(layer, module(torch.tensor(inputs()))[0].detach().numpy())


def test_layers_and_directions_are_told_by_shortened_names(tmp_path):
    module = torch.nn.GRU(D, H, num_layers=2, bidirectional=True, batch_first=True)
    arrays = {f"net/{key.replace('weight', 'w')}": t.numpy() for key, t in module.state_dict().items()}
    [layer] = layers_in(tmp_path, **arrays, **{"net/fc.weight": array(2, 8)})
    assert (layer.layers, layer.merge_mode) == (2, "concat")
    assert_computes(layer, module(torch.tensor(inputs()))[0].detach().numpy())


def test_equinoxs_biases_are_beside_its_weights(tmp_path):
    """Its GRU has one bias outside and one, of n alone, inside the reset product; its LSTM one."""
    W, U, b, b_n = array(3 * H, D), array(3 * H, H), array(3 * H), array(H)

    def gru(x, h):
        given, own = np.split(x @ W.T + b, 3, -1), np.split(h @ U.T, 3, -1)
        r, z = sigmoid(given[0] + own[0]), sigmoid(given[1] + own[1])
        n = np.tanh(given[2] + r * (own[2] + b_n))
        return [n + z * (h - n)]

    names = {"cell.weight_ih": W, "cell.weight_hh": U, "cell.bias": b, "cell.bias_n": b_n}
    [layer] = layers_in(tmp_path, **names)
    assert_computes(layer, walked(gru, "h"))

    W, U, b = array(4 * H, D), array(4 * H, H), array(4 * H)

    def lstm(x, h, c):
        i, f, g, o = np.split(x @ W.T + h @ U.T + b, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    [layer] = layers_in(tmp_path, weight_ih=W, weight_hh=U, bias=b)
    assert_computes(layer, walked(lstm, "h", "c"))


def test_a_bias_beside_a_torch_cells_weights_is_not_dropped(tmp_path):
    state = {
        "cell.weight_ih": torch.ones(16, D),
        "cell.weight_hh": torch.ones(16, H),
        "cell.bias": torch.ones(16),
    }
    torch.save(state, tmp_path / "it.pt")
    with pytest.raises(InvalidModel, match=r"cell\.bias is beside weight_hh, as in no cell of torch"):
        read_model(tmp_path / "it.pt")


def test_haikus_lstm_is_read_with_what_it_adds_to_the_forget_gate(tmp_path):
    w, b = array(D + H, 4 * H), array(4 * H)

    def step(x, h, c):
        i, g, f, o = np.split(np.concatenate([x, h], -1) @ w + b, 4, -1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    [layer] = layers_in(tmp_path, **{"enc/~/lstm/linear/w": w, "enc/~/lstm/linear/b": b, "mlp/linear/w": w})
    assert (layer.name, layer.activation) == ("enc/~/lstm", "tanh")
    assert_computes(layer, walked(step, "h", "c"))


def test_haikus_gru_keeps_the_other_part_of_its_update_gate(tmp_path):
    w_i, w_h, b = array(D, 3 * H), array(H, 3 * H), array(3 * H)

    def step(x, h):
        x_z, x_r, x_a = np.split(x @ w_i + b, 3, -1)
        z, r = sigmoid(x_z + h @ w_h[:, :H]), sigmoid(x_r + h @ w_h[:, H : 2 * H])
        return [(1 - z) * h + z * np.tanh(x_a + (r * h) @ w_h[:, 2 * H :])]

    [layer] = layers_in(tmp_path, **{"gru/w_i": w_i, "gru/w_h": w_h, "gru/b": b})
    assert (layer.name, layer.reset_after) == ("gru", False)
    assert_computes(layer, walked(step, "h"))


@pytest.mark.parametrize("sides", [("linear", "linear_1"), ("input_to_hidden", "hidden_to_hidden")])
def test_haikus_vanilla_rnn_is_relu(sides, tmp_path):
    w_i, w_h, b_i, b_h = array(D, H), array(H, H), array(H), array(H)
    arrays = ((w_i, b_i), (w_h, b_h))
    names = {
        f"{side}/{n}": a
        for side, both in zip(sides, arrays, strict=True)
        for n, a in zip("wb", both, strict=True)
    }
    [layer] = layers_in(tmp_path, **{f"vanilla_rnn/{name}": a for name, a in names.items()})
    assert (layer.activation, "activation" in layer.assumed) == ("relu", False)
    assert_computes(layer, walked(lambda x, h: [np.maximum(x @ w_i + b_i + h @ w_h + b_h, 0)], "h"))


def test_a_haiku_linear_of_any_other_module_is_no_layer(tmp_path):
    with pytest.raises(InvalidModel, match=r"no recurrent layers .* it has mlp/linear/w \(7, 16\), "):
        layers_in(tmp_path, **{"mlp/linear/w": array(7, 16), "mlp/linear_1/w": array(16, 16)})
    with pytest.raises(InvalidModel, match=r"lstm\.linear\.w is no kernel of an LSTM"):
        layers_in(tmp_path, **{"lstm/linear/w": array(4, 16), "lstm/linear/b": array(16)})


@pytest.mark.parametrize("sign", ["/", "."])
def test_flaxs_flattened_parameters_are_read(sign, tmp_path):
    module = nn.RNN(nn.LSTMCell(H))
    parameters = module.init(random.key(0), inputs())
    flat = {name: np.asarray(leaf) for name, leaf in flatten_dict(parameters, sep=sign).items()}
    [layer] = layers_in(tmp_path, **flat)
    assert_computes(layer, np.asarray(module.apply(parameters, inputs())))


def moved(layer):
    """Give a Keras layer weights that are all different."""
    layer(inputs())
    layer.set_weights([array(*w.shape) for w in layer.get_weights()])
    return layer


KERAS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "before": lambda H, **own: keras.layers.GRU(H, reset_after=False, **own),
    "simple_rnn": keras.layers.SimpleRNN,
}


@pytest.mark.parametrize("kind", KERAS)
def test_get_weights_of_a_keras_layer_are_told_by_their_shapes(kind, tmp_path):
    layer = moved(KERAS[kind](H, return_sequences=True))
    [read] = layers_in(tmp_path, *layer.get_weights())
    assert_computes(read, np.asarray(layer(inputs())))


def test_paths_of_keras_variables_are_read(tmp_path):
    layer = moved(keras.layers.Bidirectional(keras.layers.GRU(H, return_sequences=True), name="bi"))
    arrays = {
        f"{variable.path}:0": variable.numpy() for variable in layer.variables if "gru" in variable.path
    }
    [read] = layers_in(tmp_path, **arrays)
    assert (read.name, read.reset_after) == ("bi", True)
    assert_computes(read, np.asarray(layer(inputs())))


def test_get_weights_of_a_whole_model_are_told_by_their_shapes(tmp_path):
    """Embedding, dense and norm around are left alone; two directions have the same shapes."""
    model = keras.Sequential(
        [
            keras.layers.Embedding(50, D),
            keras.layers.Bidirectional(keras.layers.LSTM(H, return_sequences=True)),
            keras.layers.LayerNormalization(),
            keras.layers.GRU(5, return_sequences=True),
            keras.layers.GRU(5),
            keras.layers.Dense(2),
        ]
    )
    model(np.ones((1, 2), int))
    found = layers_in(tmp_path, *model.get_weights())
    told = [(each.name, each.cell, each.directions, each.input_size, each.hidden_size) for each in found]
    assert told == [("lstm", "lstm", 2, D, H), ("gru", "gru", 1, 2 * H, 5), ("gru_1", "gru", 1, 5, 5)]
    forward, backward = model.layers[1].get_weights()[:3], model.layers[1].get_weights()[3:]
    np.testing.assert_array_equal(found[0].cells[0].W.T, forward[0])
    np.testing.assert_array_equal(found[0].cells[1].b, backward[2])


def test_shapes_that_dense_layers_have_too_are_refused_with_what_is_needed(tmp_path, capsys):
    """Two dense layers without a bias have the shapes of a SimpleRNN, which alone is what it looks like."""
    np.savez(tmp_path / "it.npz", array(D, H), array(H, H), array(H), array(H, 2), array(2))
    [odd] = found_in(tmp_path / "it.npz")
    assert isinstance(odd, UnreadLayer)
    assert command.main(["show", str(tmp_path / "it.npz")]) == 0
    told = "arr_0 (3, 4) and arr_1 (4, 4) may be a SimpleRNN or two dense layers: save them as NAME/kernel"
    assert told in capsys.readouterr().out


def test_what_has_no_cells_shapes_is_listed(tmp_path):
    with pytest.raises(InvalidModel, match=r"it has arr_0 \(3, 4\), arr_1 \(4,\)"):
        layers_in(tmp_path, array(D, H), array(H))
    with pytest.raises(InvalidModel, match=r"it has arr_0 \(3, 4, 2\)"):
        layers_in(tmp_path, array(D, H, 2))
    with pytest.raises(InvalidModel, match="pickled objects"):
        layers_in(tmp_path, **{"gru/w_i": np.array([{}], object), "gru/w_h": array(H, 3 * H)})


def test_an_array_below_another_is_left_out(tmp_path):
    names = {"gru/w_i": array(D, 3 * H), "gru/w_h": array(H, 3 * H), "gru/w_i/w": array(2)}
    [layer] = layers_in(tmp_path, **names)
    assert layer.name == "gru"


def test_what_a_program_adds_to_the_forget_gate_is_told_beside_a_port_without_it(tmp_path, capsys):
    """TensorFlow 1's kernel is over inputs and state, of gates i, j, f and o."""
    kernel, bias = array(D + H, 4 * H), array(4 * H)
    np.savez(tmp_path / "it.npz", **{"rnn/basic_lstm_cell/kernel": kernel, "rnn/basic_lstm_cell/bias": bias})
    port = torch.nn.LSTM(D, H)
    order = np.r_[:H, 2 * H : 3 * H, H : 2 * H, 3 * H : 4 * H]
    own = {
        "weight_ih_l0": kernel[:D, order].T,
        "weight_hh_l0": kernel[D:, order].T,
        "bias_ih_l0": bias[order],
        "bias_hh_l0": np.zeros_like(bias),
    }
    port.load_state_dict({key: torch.tensor(a.copy()) for key, a in own.items()})
    torch.save(port.state_dict(), tmp_path / "it.pt")
    ends = [str(tmp_path / name) for name in ("it.npz", "it.pt")]
    assert command.main(["check", *ends]) == 1
    told = capsys.readouterr().out
    assert "recurrent_b is dropped" in told
    assert "recurrent_b of the source is what its program adds to the forget gate: 1" in told
    assert command.main(["check", *ends, "--set", "forget_bias=0"]) == 0
    assert command.main(["show", ends[0]]) == 0
    assert "1 added to f?" in " ".join(capsys.readouterr().out.split())
    assert command.main(["convert", ends[0], str(tmp_path / "new.npz")]) == 0
    [layer] = read_model(tmp_path / "new.npz")
    np.testing.assert_array_equal(layer.cells[0].recurrent_b, np.repeat(np.float32([0, 1, 0, 0]), H))
