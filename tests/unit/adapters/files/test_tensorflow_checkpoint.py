"""TensorFlow's checkpoints and SavedModels hold cells of TensorFlow 1 and of Keras, as its operations are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_lockstep.adapters import __main__ as command
from rnn_lockstep.adapters.models.files import tensorflow_checkpoint
from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.options import with_options
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, UnreadLayer
from tests.unit.adapters.files.layers import answer, inputs

D, H, P = 3, 4, 2
RANDOM = np.random.default_rng(3)


def array(*shape):
    return (0.6 * RANDOM.standard_normal(shape)).astype("float32")


def lstm(place, inputs=D, states=H):
    return {f"{place}/kernel": array(inputs + states, 4 * H), f"{place}/bias": array(4 * H)}


def gru(place):
    return {
        f"{place}/gates/kernel": array(D + H, 2 * H),
        f"{place}/gates/bias": array(2 * H),
        f"{place}/candidate/kernel": array(D + H, H),
        f"{place}/candidate/bias": array(H),
    }


OF_KERAS = "layer_with_weights-0/cell/{}/.ATTRIBUTES/VARIABLE_VALUE"
VARIABLES = {
    **lstm("rnn/basic_lstm_cell"),
    "rnn/basic_lstm_cell/kernel/Adam": array(D + H, 4 * H),
    **lstm("projected/rnn/lstm_cell", states=P),
    "projected/rnn/lstm_cell/projection/kernel": array(H, P),
    **gru("encoder/rnn/gru_cell"),
    "plain/basic_rnn_cell/kernel": array(D + H, H),
    "plain/basic_rnn_cell/bias": array(H),
    **lstm("bidirectional_rnn/fw/lstm_cell"),
    **lstm("bidirectional_rnn/bw/lstm_cell"),
    **lstm("deep/multi_rnn_cell/cell_0/basic_lstm_cell"),
    **lstm("deep/multi_rnn_cell/cell_1/basic_lstm_cell", inputs=H),
    "old/basic_lstm_cell/weights": array(D + H, 4 * H),
    "old/basic_lstm_cell/biases": array(4 * H),
    **lstm("peepholes/lstm_cell"),
    "peepholes/lstm_cell/w_f_diag": array(H),
    **{f"wrong/lstm_cell/{name}": a for name, a in (("kernel", array(3, 4 * H)), ("bias", array(4 * H)))},
    OF_KERAS.format("kernel"): array(D, 3 * H),
    OF_KERAS.format("recurrent_kernel"): array(H, 3 * H),
    OF_KERAS.format("bias"): array(2, 3 * H),
    OF_KERAS.format("kernel").replace("/.A", "/.OPTIMIZER_SLOT/optimizer/m/.A"): array(D, 3 * H),
    "dense/kernel": array(3, 2),
    "global_step": np.array(7),
}


def saved(folder, variables, name="model.ckpt-7"):
    """Write variables as the Saver of TensorFlow 1 does; return the checkpoint's name."""
    names = [*variables]
    tf.raw_ops.SaveV2(
        prefix=str(folder / name),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(variables[key]) for key in names],
    )
    return folder / name


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("tf"), VARIABLES)


@pytest.fixture(scope="module")
def found(checkpoint):
    return {layer.name: layer for layer in found_in(checkpoint)}


def walked(step, *states):
    """The outputs (batch, time, H) of a cell that is a function of inputs and states, from zeros."""
    x = inputs()
    given, outputs = [np.zeros((len(x), size), np.float32) for size in states], []
    for t in range(x.shape[1]):
        given = step(x[:, t], *given)
        outputs.append(np.asarray(given[0]))
    return np.stack(outputs, 1)


def assert_computes(layer, expected):
    np.testing.assert_allclose(answer(layer, inputs())[0], expected, atol=2e-6)


def block(place, forget_bias=1.0, weights="kernel", biases="bias"):
    """TensorFlow's own LSTM step with the variables at a place."""
    none = np.zeros(H, np.float32)
    w, b = VARIABLES[f"{place}/{weights}"], VARIABLES[f"{place}/{biases}"]

    def step(x, h, c):
        *_, c, _, _, h = ops = tf.raw_ops.LSTMBlockCell(
            x=x, cs_prev=c, h_prev=h, w=w, b=b, wci=none, wcf=none, wco=none, forget_bias=forget_bias
        )
        return ops.h, ops.cs

    return step


def test_an_lstm_of_one_kernel_is_read_with_the_forget_bias_that_is_usual(found):
    layer = found["rnn"]
    assert (layer.cell, layer.forget_bias) == ("lstm", 1.0)
    assert_computes(layer, walked(block("rnn/basic_lstm_cell"), H, H))
    assert_computes(found["old"], walked(block("old/basic_lstm_cell", 1.0, "weights", "biases"), H, H))


def test_the_forget_bias_is_assumed_and_can_be_set(found, checkpoint, tmp_path, capsys):
    other = with_options(found["rnn"], {"forget_bias": "0.25"})
    assert_computes(other, walked(block("rnn/basic_lstm_cell", 0.25), H, H))
    with pytest.raises(InvalidModel, match="could not convert string to float"):
        with_options(found["rnn"], {"forget_bias": "much"})
    given = ["--layer", "rnn", "--set", "forget_bias=0.25"]
    assert command.main(["convert", str(checkpoint), str(tmp_path / "new.npz"), *given]) == 0
    assert "the source does not tell, so this is assumed: activation=tanh, " in capsys.readouterr().out
    [layer] = read_model(tmp_path / "new.npz")
    assert_computes(layer, walked(block("rnn/basic_lstm_cell", 0.25), H, H))


def test_a_projection_is_read(found):
    place = "projected/rnn/lstm_cell"
    w, b, projection = (VARIABLES[f"{place}/{name}"] for name in ("kernel", "bias", "projection/kernel"))

    def step(x, h, c):
        i, j, f, o = np.split(np.concatenate([x, h], -1) @ w + b, 4, -1)
        c = tf.sigmoid(f + 1) * c + tf.sigmoid(i) * tf.tanh(j)
        return (tf.sigmoid(o) * tf.tanh(c)) @ projection, c

    layer = found["projected/rnn"]
    assert (layer.hidden_size, layer.projection_size) == (H, P)
    assert_computes(layer, walked(step, P, H))


def test_a_gru_has_its_gates_and_its_candidate_apart(found):
    of = [
        VARIABLES[f"encoder/rnn/gru_cell/{part}/{n}"]
        for n in ("kernel", "bias")
        for part in ("gates", "candidate")
    ]

    def step(x, h):
        made = tf.raw_ops.GRUBlockCell(x=x, h_prev=h, w_ru=of[0], w_c=of[1], b_ru=of[2], b_c=of[3])
        return (made.h,)

    assert not found["encoder/rnn"].reset_after
    assert_computes(found["encoder/rnn"], walked(step, H))


def test_a_plain_cell_is_read(found):
    w, b = (VARIABLES[f"plain/basic_rnn_cell/{name}"] for name in ("kernel", "bias"))
    assert_computes(found["plain"], walked(lambda x, h: [np.tanh(np.concatenate([x, h], -1) @ w + b)], H))


def test_directions_and_stacks_are_one_layer(found):
    both, deep = found["bidirectional_rnn"], found["deep"]
    assert (both.directions, both.layers, deep.directions, deep.layers) == (2, 1, 1, 2)
    forward = walked(block("bidirectional_rnn/fw/lstm_cell"), H, H)
    np.testing.assert_allclose(answer(both, inputs())[0][..., :H], forward, atol=2e-6)
    np.testing.assert_array_equal(deep.cells[1].W, found["deep"].cells[1].W)
    kernel = VARIABLES["deep/multi_rnn_cell/cell_1/basic_lstm_cell/kernel"]
    np.testing.assert_array_equal(deep.cells[1].U[:H], kernel[H:, :H].T)


def test_what_is_no_cell_of_ours_is_told_with_the_reason(found):
    assert found["peepholes"] == UnreadLayer("peepholes", found["peepholes"].reason)
    assert "has w_f_diag too, as no cell that is checked" in found["peepholes"].reason
    assert "has a kernel of shape (3, 16), needs (D + H, 4H)" in found["wrong"].reason


def test_ways_from_a_saved_object_are_names_where_there_are_no_others(found):
    layer = found["layer_with_weights-0"]
    gru = keras.layers.GRU(H, return_sequences=True)
    gru(inputs())
    gru.set_weights([VARIABLES[OF_KERAS.format(name)] for name in ("kernel", "recurrent_kernel", "bias")])
    assert_computes(layer, np.asarray(gru(inputs())))


@pytest.mark.parametrize("way", ["checkpoint", "export"])
def test_a_model_of_keras_is_read_as_it_computes(way, tmp_path):
    layer = keras.layers.Bidirectional(keras.layers.LSTM(H, return_sequences=True), name="both")
    model = keras.Sequential([keras.layers.Input((None, D)), layer])
    if way == "checkpoint":
        model.compile("adam", "mse")
        model.fit(inputs(), np.ones((2, 5, 2 * H), np.float32), verbose=0)
        tf.train.Checkpoint(model=model).save(tmp_path / "ck")
        tf.train.Checkpoint(model=model).save(tmp_path / "ck")
    else:
        model.export(tmp_path, verbose=False)
    [read] = read_model(tmp_path)
    assert read.name.endswith("both")
    assert_computes(read, np.asarray(model(inputs())))


def test_a_checkpoint_is_told_by_any_of_its_names(checkpoint):
    index = checkpoint.with_name("model.ckpt-7.index")
    for name in ("model.ckpt-7", "model.ckpt-7.data-00000-of-00001"):
        assert tensorflow_checkpoint.index_of(checkpoint.with_name(name)) == index
    assert tensorflow_checkpoint.index_of(checkpoint.with_name("model.ckpt-8")) is None


def damaged(folder, change, part="data-00000-of-00001"):
    path = saved(folder, {**lstm("lstm_cell")})
    file = path.with_name(f"{path.name}.{part}")
    file.write_bytes(change(file.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        ("index", lambda data: data[:-20] + b"\xff" * 20, "it is no checkpoint that TensorFlow reads"),
        ("data-00000-of-00001", lambda data: data[:50], "more than its files can hold"),
        ("data-00000-of-00001", lambda data: b"\1" * len(data), "it is no checkpoint that TensorFlow reads"),
        ("index", lambda data: b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (
            "data-00000-of-00001",
            lambda data: b"version https://git-lfs.github.com/spec/v1\n",
            "Git LFS pointer",
        ),
    ],
)
def test_damaged_files_are_told_in_one_line(part, change, told, tmp_path):
    with pytest.raises(InvalidModel, match=told) as caught:
        read_model(damaged(tmp_path, change, part))
    assert str(caught.value).isprintable()


def test_what_is_missing_is_told(tmp_path, monkeypatch):
    path = saved(tmp_path, {"dense/kernel": array(3, 2)})
    with pytest.raises(InvalidModel, match=r"no recurrent layers .* it has dense/kernel \(3, 2\)$"):
        read_model(path)
    path.with_name(f"{path.name}.data-00000-of-00001").unlink()
    with pytest.raises(InvalidModel, match=r"needs model\.ckpt-7\.data-00000-of-00001 beside it"):
        read_model(path)
    monkeypatch.setattr(tensorflow_checkpoint, "find_spec", lambda name: None)
    with pytest.raises(
        InvalidModel, match="tensorflow, which reads it, is not installed: pip install tensorflow"
    ):
        read_model(path)
