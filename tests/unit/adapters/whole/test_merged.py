"""Two directions that are put together within the layer, or after it: that is no difference."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.port.whole.keras_model import KerasModel
from rnn_lockstep.adapters.port.whole.layers import weights_cause
from rnn_lockstep.adapters.port.whole.torch_model import TorchModel


@pytest.fixture(scope="module")
def source():
    keras = pytest.importorskip("keras")
    inputs = keras.Input((None, 3))
    both = keras.layers.Bidirectional(
        keras.layers.SimpleRNN(4, return_sequences=True), merge_mode="sum", name="both"
    )
    model = keras.Model(inputs, keras.layers.Dense(2)(both(inputs)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])
    return model


class Outside(nn.Module):
    """A port that adds the directions up after the layer; `scale` is that of U."""

    def __init__(self, source, scale=1.0):
        super().__init__()
        self.rnn = nn.RNN(3, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(4, 2)
        arrays = iter(torch.tensor(array.T.copy()) for array in source.get_weights())
        with torch.no_grad():
            for suffix in ("", "_reverse"):
                for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
                    getattr(self.rnn, name + suffix).copy_(next(arrays) * (scale if "hh" in name else 1))
                getattr(self.rnn, f"bias_hh_l0{suffix}").zero_()
            self.head.weight.copy_(next(arrays))
            self.head.bias.copy_(next(arrays))

    def forward(self, x):
        return self.head(sum(self.rnn(x)[0].chunk(2, dim=-1)))


def test_a_port_that_adds_outside_matches(source):
    verdict = lockstep_check(source, Outside(source), examples=4)
    assert verdict, verdict


def test_what_is_wrong_is_not_that(source):
    assert not weights_cause(KerasModel(source), TorchModel(Outside(source)))
    verdict = lockstep_check(source, Outside(source, scale=2.0), examples=4)
    assert verdict.status == "mismatch"
    assert "merge_mode" not in verdict.reason
    assert "U is doubled" in verdict.reason
