"""The check of whole Keras models and their ports: right ones match, of wrong ones the place is named."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, load, lockstep_check


@pytest.fixture(scope="module")
def keras():
    """The module, imported as its adapter does it, and when it is needed."""
    return load("keras").keras


def drawn(model):
    """The model with drawn weights, its biases among them."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def translator(keras):
    """An encoder whose state a decoder begins with: floats (batch, time, 4) to scores."""
    layers = keras.layers
    inputs = layers.Input((None, 4))
    outputs, h, c = layers.LSTM(4, return_sequences=True, return_state=True, name="encoder")(inputs)
    found = layers.LSTM(4, return_sequences=True, name="decoder")(outputs, initial_state=[h, c])
    return drawn(keras.Model(inputs, layers.Dense(3, name="head")(found)))


@pytest.fixture(scope="module")
def classifier(keras):
    """Tokens, padded by zeros, to the probabilities of a class, by the last outputs of both directions."""
    layers = keras.layers
    embedding = layers.Embedding(20, 4, mask_zero=True, name="embedding")
    both = layers.Bidirectional(layers.LSTM(4), name="encoder")
    head = layers.Dense(3, activation="softmax", name="head")
    return drawn(keras.Sequential([layers.Input((None,)), embedding, both, head]))


def tensor(array):
    return nn.Parameter(torch.tensor(np.ascontiguousarray(array)))


def load_lstm(module, weights, suffix="_l0"):
    """Weights of Keras's into a module of torch's: the gates of an LSTM have the same order in both."""
    kernel, recurrent_kernel, bias = weights
    setattr(module, f"weight_ih{suffix}", tensor(kernel.T))
    setattr(module, f"weight_hh{suffix}", tensor(recurrent_kernel.T))
    setattr(module, f"bias_ih{suffix}", tensor(bias))
    setattr(module, f"bias_hh{suffix}", tensor(0 * bias))


def load_dense(module, weights):
    module.weight, module.bias = tensor(weights[0].T), tensor(weights[1])


class Translator(nn.Module):
    def __init__(self, source, change=lambda outputs, h, c: (outputs, (h, c))):
        super().__init__()
        self.encoder, self.decoder = (nn.LSTM(4, 4, batch_first=True) for _ in range(2))
        self.head, self.change = nn.Linear(4, 3), change
        for name in ("encoder", "decoder"):
            load_lstm(getattr(self, name), source.get_layer(name).get_weights())
        load_dense(self.head, source.get_layer("head").get_weights())

    def forward(self, x):
        outputs, (h, c) = self.encoder(x)
        return self.head(self.decoder(*self.change(outputs, h, c))[0])


class Classifier(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.encoder = nn.LSTM(4, 4, batch_first=True, bidirectional=True)
        self.embedding, self.head = nn.Embedding(20, 4), nn.Linear(8, 3)
        self.embedding.weight = tensor(source.get_layer("embedding").get_weights()[0])
        weights = source.get_layer("encoder").get_weights()
        load_lstm(self.encoder, weights[:3])
        load_lstm(self.encoder, weights[3:], "_l0_reverse")
        load_dense(self.head, source.get_layer("head").get_weights())

    def forward(self, tokens):
        lengths = (tokens != 0).sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, (h, _) = self.encoder(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
        return torch.softmax(self.head(self.last(outputs, h, lengths)), dim=-1)

    def last(self, outputs, h, lengths):
        return torch.cat([h[0], h[1]], dim=-1)


class LengthsIgnored(Classifier):
    def forward(self, tokens):
        _, (h, _) = self.encoder(self.embedding(tokens))
        return torch.softmax(self.head(torch.cat([h[0], h[1]], dim=-1)), dim=-1)


class LastColumn(Classifier):
    def last(self, outputs, h, lengths):
        return outputs[:, -1]


class LastOfEachRow(Classifier):
    def last(self, outputs, h, lengths):
        return outputs[torch.arange(len(outputs)), lengths - 1]


class DirectionsExchanged(Classifier):
    def last(self, outputs, h, lengths):
        return torch.cat([h[1], h[0]], dim=-1)


def test_a_right_port_of_a_translator_matches(translator):
    verdict = lockstep_check(translator, Translator(translator), examples=5)
    assert verdict, verdict
    assert [line.status for line in verdict.lines] == ["match"] * 6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda outputs, h, c: (outputs, (c, h)), "(h, c) of encoder is handed on as (c, h)"),
        (lambda outputs, h, c: (outputs, None), "the final state of encoder is not handed on: zeros are"),
        (lambda outputs, h, c: (outputs.relu(), (h, c)), "the source has nothing, the port applies relu"),
        (lambda outputs, h, c: (outputs.flip(1), (h, c)), "it is in the other order of time"),
    ],
)
def test_a_wrong_hand_over_is_named(translator, change, says):
    verdict = lockstep_check(translator, Translator(translator, change), examples=5)
    assert str(verdict).startswith(f"mismatch: between encoder and decoder: {says}")


def test_a_right_port_of_padded_tokens_matches(classifier):
    verdict = lockstep_check(classifier, Classifier(classifier), examples=5)
    assert verdict, verdict
    assert "int(0..19) (batch,time) padded by zeros" in verdict.asked


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (LengthsIgnored, "encoder itself: "),
        (LastColumn, "after encoder: the last column of encoder's outputs is taken"),
        (LastOfEachRow, "after encoder: the last step of encoder is taken of both directions"),
        (DirectionsExchanged, "after encoder: the directions of encoder are exchanged"),
    ],
)
def test_a_wrong_end_is_named(classifier, port, says):
    verdict = lockstep_check(classifier, port(classifier), examples=5)
    assert str(verdict).startswith(f"mismatch: {says}"), verdict


def function_of(source, scale=1.0):
    """A function on JAX's arrays or NumPy's that computes what a dense model after an LSTM does."""
    encoder, decoder, head = (
        [np.asarray(w) for w in source.get_layer(n).get_weights()] for n in ("encoder", "decoder", "head")
    )

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def run(weights, inputs, h, c):
        kernel, recurrent_kernel, bias = weights
        found = []
        for x in np.asarray(inputs).swapaxes(0, 1):
            i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            found.append(h)
        return np.stack(found, axis=1), h, c

    def answer(inputs):
        zeros = np.zeros((len(inputs), 4), np.float32)
        found, _, _ = run(decoder, *run(encoder, inputs, zeros, zeros))
        return found @ head[0] * scale + head[1]

    return answer


def test_a_function_is_compared_by_its_outputs(translator):
    verdict = lockstep_check(translator, function_of(translator), examples=5)
    assert verdict, verdict
    assert "no recurrent layers of the target can be watched" in str(verdict)
    wrong = lockstep_check(translator, function_of(translator, np.float32(1.00001)), examples=5)
    assert str(wrong).startswith("mismatch: the whole model: ")


def test_a_model_is_a_port_of_itself(translator, classifier):
    for model in (translator, classifier):
        verdict = lockstep_check(model, model, examples=3)
        assert verdict, verdict


def test_a_torch_source_is_compared_with_keras(translator):
    options = {"inputs": "x:float (batch,time,4)", "examples": 4}
    verdict = lockstep_check(Translator(translator), translator, **options)
    assert verdict, verdict
    assert [line.status for line in verdict.lines] == ["match"] * 6
    wrong = Translator(translator, lambda outputs, h, c: (outputs, (c, h)))
    assert not lockstep_check(wrong, translator, **options)


@pytest.mark.filterwarnings("default")  # Keras's own, of saving
def test_a_file_is_loaded_and_its_fixed_sizes_are_kept(keras, tmp_path):
    layers = keras.layers
    inputs = layers.Input(batch_shape=(2, 5, 3))
    model = drawn(keras.Model(inputs, layers.Dense(2)(layers.GRU(4)(inputs))))
    model.save(tmp_path / "fixed.keras")
    verdict = lockstep_check(tmp_path / "fixed.keras", model, examples=2)
    assert verdict, verdict
    assert "2 examples of 2 x 5 x 3\n" in str(verdict)


def test_a_port_of_the_layer_alone_is_only_a_part(classifier):
    layer = Classifier(classifier).encoder
    assert lockstep_check(classifier, layer, examples=4)

    def port(x, state=None):
        if x.ndim != 3:
            raise TypeError("needs (batch, time, features)")
        return layer(x, state)

    verdict = lockstep_check(classifier, port, examples=4)
    assert verdict.only == "layer encoder; the model around it was not run"
    assert "needs (batch, time, features)" in str(verdict)


def test_integers_of_an_unknown_range_are_refused(keras):
    layers = keras.layers
    inputs = layers.Input((None, 3), dtype="int32")
    model = keras.Model(inputs, layers.GRU(4)(layers.Rescaling(1.0)(inputs)))
    with pytest.raises(InvalidModel, match="its range is not known: needs --inputs"):
        lockstep_check(model, model)


def test_a_layer_that_cannot_be_read_costs_no_other(keras):
    layers = keras.layers
    inputs = layers.Input((None, 4))
    one, other = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode=None)(inputs)
    found = layers.LSTM(4, return_sequences=True, name="encoder")(layers.Subtract()([one, other]))
    model = drawn(keras.Model(inputs, layers.RNN([layers.GRUCell(3), layers.GRUCell(2)])(found)))
    verdict = lockstep_check(model, model, examples=4)
    assert verdict, verdict
    assert [line.place for line in verdict.lines] == [
        "before encoder",
        "encoder itself",
        "after encoder",
        "the whole model",
    ]


def test_a_model_of_one_layer_with_fixed_sizes_or_states_is_a_whole_model(keras):
    layers = keras.layers
    fixed = layers.Input((7, 3), batch_size=2)
    free, state = layers.Input((None, 3)), layers.Input((4,))
    for model in (
        keras.Model(fixed, layers.GRU(4, stateful=True)(fixed)),
        keras.Model([free, state], layers.GRU(4)(free, initial_state=state)),
    ):
        verdict = lockstep_check(drawn(model), model, examples=4)
        assert verdict, verdict
        assert verdict.lines
