"""Steps that do not count, wherever they are in a row: layers are judged with the mask that they got."""

import numpy as np
import pytest

from rnn_lockstep.adapters import InvalidModel, load, lockstep_check
from rnn_lockstep.adapters.port.whole.asking import CannotAsk, asked_all
from rnn_lockstep.adapters.port.whole.inputs import Example

ASKED = {"inputs": "tokens:int(0..9) (batch,time)", "batch": 2, "time": 4, "examples": 2}


def model(masked=True, last=True):
    """Tokens to scores, zeros being masked where that is said: two directions, and a layer on top."""
    layers = load("keras").keras.layers
    inputs = layers.Input((None,))
    steps = layers.Embedding(10, 3, mask_zero=masked)(inputs)
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="low")(steps)
    top = layers.GRU(3, return_sequences=not last, go_backwards=last, name="top")(both)
    found = load("keras").keras.Model(inputs, layers.Dense(2)(top))
    rng = np.random.default_rng(0)
    found.set_weights([rng.normal(size=w.shape) for w in found.get_weights()])
    return found


@pytest.mark.parametrize("last", [True, False])
def test_layers_with_zeros_anywhere_match(last):
    verdict = lockstep_check(model(last=last), model(last=last), **ASKED)
    assert verdict, verdict
    assert {line.status for line in verdict.lines} == {"match"}
    assert "low itself" in str(verdict)


def test_a_layer_that_is_told_no_mask_is_named():
    verdict = lockstep_check(model(), model(masked=False), **ASKED)
    assert str(verdict).startswith("mismatch: low itself: the lengths of rows are not told to it")


def test_what_cannot_be_asked_here_is_no_mistake_of_the_port():
    class Limited:
        def run(self, example):
            raise InvalidModel("this form is not known")

    with pytest.raises(CannotAsk, match="given inputs 2 x 3, the target cannot be asked: this form is not"):
        asked_all(Limited(), [Example((np.zeros((2, 3)),))])
