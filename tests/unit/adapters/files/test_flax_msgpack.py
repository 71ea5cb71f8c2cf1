"""Flax's parameters are read as they are, and what is written is what flax reads."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from flax import nnx, serialization

from rnn_lockstep.adapters.models.files.table import format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import answer, assert_same_weights, inputs, make_layer, saved


class Linen(nn.Module):
    def setup(self):
        self.cell = nn.GRUCell(4)
        self.encoder = nn.RNN(nn.OptimizedLSTMCell(4))
        self.both = nn.Bidirectional(nn.RNN(nn.GRUCell(4)), nn.RNN(nn.GRUCell(4)))
        self.stack = nn.Sequential([nn.RNN(nn.SimpleCell(4)), nn.RNN(nn.SimpleCell(4))])
        self.mixed = nn.Sequential([nn.RNN(nn.SimpleCell(4)), nn.RNN(nn.SimpleCell(5))])
        self.dense = nn.Dense(3)

    def __call__(self, x):
        _, y = self.cell(x[:, 0, :1].repeat(4, 1), x[:, 0])
        return self.dense(self.mixed(self.stack(self.both(self.encoder(x))))), y


class Nnx(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.encoder = nnx.RNN(nnx.OptimizedLSTMCell(3, 4, rngs=rngs))
        self.cell = nnx.LSTMCell(3, 4, rngs=rngs)
        directions = [nnx.RNN(nnx.GRUCell(3, 4, rngs=rngs)) for _ in range(2)]
        self.both = nnx.Bidirectional(*directions)
        self.stack = nnx.Sequential(*(nnx.RNN(nnx.SimpleCell(4, 4, rngs=rngs)) for _ in range(2)))


def randomised(tree):
    random = np.random.default_rng(3)
    return jax.tree.map(lambda x: random.standard_normal(x.shape).astype(x.dtype) / 2, tree)


def parameters(module):
    return randomised(jax.eval_shape(module.init, jax.random.key(0), inputs()))


def read(tree, path):
    path.write_bytes(serialization.to_bytes(tree))
    return {layer.name: layer for layer in read_model(path)}


def kinds(layers):
    return {n: (x.cell, x.layers, x.merge_mode, x.biases) for n, x in layers.items()}


def test_every_layer_of_linen_is_read(tmp_path):
    tree = parameters(Linen())
    layers = read(
        {"step": 3, "params": tree["params"], "opt_state": {"0": {"mu": tree}}}, tmp_path / "it.msgpack"
    )
    assert kinds(layers) == {
        "gru": ("gru", 1, None, 2),
        "encoder": ("lstm", 1, None, 1),
        "both": ("gru", 1, "concat", 2),
        "stack": ("simple_rnn", 2, None, 1),
        "mixed.layers_0": ("simple_rnn", 1, None, 1),
        "mixed.layers_1": ("simple_rnn", 1, None, 1),
    }
    cell, _ = layers["both"].cells[1], layers["both"]
    backward = tree["params"]["both"]["backward_rnn"]["cell"]
    np.testing.assert_array_equal(cell.W, np.vstack([backward[k]["kernel"].T for k in ("ir", "iz", "in")]))
    np.testing.assert_array_equal(cell.b, np.hstack([backward[k]["bias"] for k in ("ir", "iz", "in")]))
    np.testing.assert_array_equal(cell.recurrent_b, np.hstack([np.zeros(8), backward["hn"]["bias"]]))


def test_every_layer_of_nnx_is_read(tmp_path):
    tree = nnx.to_pure_dict(nnx.state(Nnx(), nnx.Param))
    layers = read(tree, tmp_path / "it.msgpack")
    assert kinds(layers) == {
        "both": ("gru", 1, "concat", 1),
        "lstm": ("lstm", 1, None, 1),
        "encoder": ("lstm", 1, None, 1),
        "stack": ("simple_rnn", 2, None, 1),
    }
    wrapped = jax.tree.map(lambda x: {"value": x}, tree)  # as older versions have them
    assert_same_weights(layers["both"], read(wrapped, tmp_path / "it.msgpack")["both"])


MODULES = {
    "LSTMCell": lambda: nn.RNN(nn.LSTMCell(4)),
    "OptimizedLSTMCell": lambda: nn.RNN(nn.OptimizedLSTMCell(4)),
    "GRUCell": lambda: nn.RNN(nn.GRUCell(4)),
    "SimpleCell": lambda: nn.RNN(nn.SimpleCell(4)),
    "Bidirectional": lambda: nn.Bidirectional(nn.RNN(nn.GRUCell(4)), nn.RNN(nn.GRUCell(4))),
    "Sequential": lambda: nn.Sequential([nn.RNN(nn.LSTMCell(4)), nn.RNN(nn.LSTMCell(4))]),
}


@pytest.mark.parametrize("kind", MODULES)
def test_the_layer_answers_what_linen_does_and_is_written_as_it_was(kind, tmp_path):
    module = MODULES[kind]()
    tree = parameters(module)
    [layer] = read(tree, tmp_path / "it.msgpack").values()
    np.testing.assert_allclose(module.apply(tree, inputs()), answer(layer, inputs())[0], atol=1e-6)
    path = saved(tmp_path / "new.msgpack", [layer])
    written = serialization.msgpack_restore(path.read_bytes())["params"][layer.name]
    back = serialization.from_state_dict(tree, {"params": written})
    jax.tree.map(np.testing.assert_array_equal, back, tree)


@pytest.mark.parametrize("kind", ["OptimizedLSTMCell", "GRUCell", "SimpleCell"])
def test_the_layer_answers_what_nnx_does(kind, tmp_path):
    module = nnx.RNN(getattr(nnx, kind)(3, 4, rngs=nnx.Rngs(0)))
    state = nnx.state(module, nnx.Param)
    tree = randomised(nnx.to_pure_dict(state))
    nnx.replace_by_pure_dict(state, tree)
    nnx.update(module, state)
    [layer] = read(tree, tmp_path / "it.msgpack").values()
    np.testing.assert_allclose(module(inputs()), answer(layer, inputs())[0], atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        make_layer("lstm", activation="relu", recurrent_activation="hard_sigmoid_keras2"),
        make_layer("gru", activation="elu", biases=(True, False)),
        make_layer("simple_rnn", activation="softsign"),
    ],
    ids=lambda layer: layer.cell,
)
def test_the_module_of_a_written_file_has_the_layers_activations(layer, tmp_path):
    path = saved(tmp_path / "it.msgpack", [layer])
    [run] = format_of(path).load(path, [layer])
    np.testing.assert_allclose(run(inputs()), answer(layer, inputs())[0], atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (make_layer("gru", reset_after=False), "its GRUCell applies the reset"),
        (make_layer("lstm", projection_size=2), "it projects its outputs"),
    ],
)
def test_what_linen_cannot_hold_is_refused(layer, reason, tmp_path):
    with pytest.raises(InvalidModel, match=f"cannot be written for flax: {reason}"):
        saved(tmp_path / "it.msgpack", [layer])


GRU = {"cell": serialization.to_state_dict(parameters(nn.RNN(nn.GRUCell(4))))["params"]["cell"]}


def changed(name, **parts):
    return {"cell": {**GRU["cell"], name: {**GRU["cell"][name], **parts}}}


REFUSED = {
    "an MGUCell": (lambda: parameters(nn.RNN(nn.MGUCell(4))), "an MGUCell"),
    "no layers": (lambda: {"params": {"a": {"b": {}}}}, "no recurrent layers"),
    "a list": (lambda: np.ones(3), "needs a dictionary"),
    "integers": (lambda: changed("in", kernel=np.ones((3, 4), int)), "hn|in.kernel has dtype int64"),
    "a shape": (lambda: changed("in", kernel=np.ones((3, 5), np.float32)), "kernels that differ in shape"),
    "a bias": (lambda: changed("in", bias=np.ones(5, np.float32)), "biases that do not fit"),
    "a bias more": (lambda: changed("hr", bias=np.ones(4, np.float32)), "biases of r, n, needs those of n"),
    "no array": (lambda: {"dense_i": {"kernel": 3}, "dense_h": {"kernel": 4}}, "no kernels of two axes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_layer_is_told_in_one_line(name, tmp_path):
    tree, message = REFUSED[name]
    with pytest.raises(InvalidModel, match=message) as caught:
        read(tree(), tmp_path / "it.msgpack")
    assert str(caught.value).isprintable()
