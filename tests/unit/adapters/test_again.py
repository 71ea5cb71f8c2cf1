"""Ports that are asked again: what is random, and what is kept from call to call, is named as that."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import OutputsOnly, function_of, module


class Keeping(nn.Module):
    """A port that goes on where its last call ended."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn, self.state = rnn, None

    def forward(self, x):
        fits = self.state is not None and self.state[0].shape[1] == len(x)
        outputs, self.state = self.rnn(x, self.state if fits else None)
        return outputs


class Resettable(Keeping):
    def reset(self):
        self.state = None


class Forgetful(OutputsOnly):
    def reset(self):
        pass


class Halved(Resettable):
    """A port that keeps half of its state."""

    def forward(self, x):
        outputs = super().forward(x)
        self.state = tuple(state / 2 for state in self.state)
        return outputs


class DroppedOut(nn.Module):
    """A port that forgets to tell F.dropout that it is not in training."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        return nn.functional.dropout(self.rnn(x)[0], 0.1)


@pytest.fixture
def source():
    return module(nn.LSTM)


@pytest.fixture
def stateful(source):
    [layer] = read_live(source)
    return replace(layer, stateful=True)


def test_what_is_kept_without_a_reset_is_named(source):
    verdict = check_port(source, Keeping(source))
    assert verdict.status == "mismatch"
    assert verdict.cause == (
        "asked the same twice, it answers otherwise: it keeps its state from call to call, and has no reset"
    )


def test_dropout_that_is_left_on_is_named(source):
    verdict = check_port(source, DroppedOut(source))
    assert verdict.status == "mismatch"
    assert "asked the same twice, it answers otherwise: dropout is left on" in verdict.cause


def test_asking_again_leaves_random_numbers_as_they_were(source):
    torch.manual_seed(5)
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    check_port(source, DroppedOut(source))
    assert np.random.rand() == expected


def test_what_is_kept_until_a_reset_matches_and_is_told(source):
    verdict = check_port(source, Resettable(source))
    assert verdict, verdict
    assert any("keeps its state from call to call until it is reset" in note for note in verdict.notes)


def test_a_stateful_source_has_a_port_that_keeps_its_state(stateful, source):
    verdict = check_port(stateful, Resettable(source))
    assert verdict, verdict
    assert not any("keeps its state" in note for note in verdict.notes)


def test_a_port_that_forgets_the_state_of_a_stateful_source_is_wrong(stateful, source):
    verdict = check_port(stateful, Forgetful(source))
    assert verdict.status == "mismatch"
    assert "the port begins every call at zeros" in verdict.cause


def test_a_port_that_keeps_another_state_is_wrong(stateful, source):
    verdict = check_port(stateful, Halved(source))
    assert verdict.status == "mismatch"
    assert "neither at zeros nor where the call before ended" in verdict.cause


def test_a_state_that_is_handed_over_by_the_caller_is_told(stateful, source):
    verdict = check_port(stateful, function_of(source, takes="states"))
    assert verdict, verdict
    assert any("the source is stateful" in note for note in verdict.notes)


def test_keras_layers_that_are_stateful_are_ports_of_each_other():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)

    def made(**options):
        layer = keras.layers.GRU(4, return_sequences=True, **options)
        layer.build((2, None, 3))
        layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
        return layer

    source, plain = made(stateful=True), made()
    plain.set_weights(source.get_weights())
    [layer] = read_live(source)
    assert layer.stateful
    verdict = check_port(layer, plain)
    assert verdict, verdict
    assert any("the source is stateful" in note for note in verdict.notes)
