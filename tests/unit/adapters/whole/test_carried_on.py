"""Whole models that keep a state from call to call: a port has to keep it where the source does."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from tests.unit.adapters.whole import models
from tests.unit.adapters.whole.models import TOKENS, Tagger


@pytest.fixture(scope="module")
def source():
    """A stateful model of Keras's, of two rows."""
    keras = pytest.importorskip("keras")
    inputs = keras.Input((None, 3), batch_size=2)
    outputs = keras.layers.SimpleRNN(4, stateful=True, return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(outputs))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])
    return model


class Port(nn.Module):
    """A port that keeps a part of its state."""

    def __init__(self, source, part):
        super().__init__()
        self.rnn, self.head = nn.RNN(3, 4, batch_first=True), nn.Linear(4, 2)
        arrays = [torch.tensor(array.T.copy()) for array in source.get_weights()]
        names = ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "head.weight", "head.bias")
        self.load_state_dict({**dict(zip(names, arrays, strict=True)), "rnn.bias_hh_l0": torch.zeros(4)})
        self.part, self.state = part, None

    def reset(self):
        self.state = None

    def forward(self, x):
        outputs, state = self.rnn(x, self.state)
        self.state = state * self.part
        return self.head(outputs)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (1.0, "match"),
        (
            0.0,
            "mismatch: the source is stateful, it keeps its state from call to call; the port begins every",
        ),
        (0.5, "mismatch: called again without a reset, it begins neither at zeros nor where the call before"),
    ],
)
def test_a_port_of_a_stateful_model_has_to_go_on_as_it_does(part, says, source):
    assert str(lockstep_check(source, Port(source, part), examples=3)).startswith(says)


def test_a_state_that_is_kept_until_a_reset_is_told():
    verdict = lockstep_check(Tagger(), models.Reset(), inputs=TOKENS, examples=3)
    assert verdict, verdict
    assert any("keeps its state from call to call until it is reset" in note for note in verdict.notes)
    assert not any(
        "keeps its state" in note for note in lockstep_check(Tagger(), Tagger(), inputs=TOKENS).notes
    )
