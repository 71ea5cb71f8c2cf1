"""What is wrong only in rows that end in padding is told as such, and nothing that holds only in others."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.inputs import Input
from rnn_lockstep.adapters.port.whole.torch_model import TorchModel

FLOATS = (Input("x", ("batch", "time", 4), padded=True),)


class Pooled(nn.Module):
    """A GRU, whose outputs' mean and final state go to a head; padding is left out."""

    too_small = 0

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.gru, self.head = nn.GRU(4, 4, batch_first=True), nn.Linear(8, 3)

    def mean(self, outputs, lengths):
        return outputs.sum(1) / lengths[:, None]

    def state(self, outputs, h):
        return h[0]

    def forward(self, x, lengths):
        lengths = (lengths - self.too_small).clamp(min=1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, h = self.gru(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return self.head(torch.cat([self.mean(outputs, lengths), self.state(outputs, h)], -1)).tanh()


class MeanOfAll(Pooled):
    def mean(self, outputs, lengths):
        return outputs.mean(1)


class LastColumn(Pooled):
    def state(self, outputs, h):
        return outputs[:, outputs.any(-1).any(0).nonzero().max()]


class StateScaled(Pooled):
    def state(self, outputs, h):
        return h[0] * 0.9


class OneStepLess(Pooled):
    too_small = 1


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (MeanOfAll, "only rows that end in padding are wrong: the padding is not left out as in the source"),
        (LastColumn, "the last column of gru's outputs is taken"),
        (StateScaled, "the source has head there, and the port no layer that gives the same"),
    ],
)
def test_wrong_rows(port, says):
    verdict = WholePair(("a", "b"), TorchModel(Pooled()), TorchModel(port()), FLOATS).verdict()
    assert verdict.reason.startswith(f"after gru: {says}")


def test_lengths_that_are_one_too_small():
    verdict = WholePair(("a", "b"), TorchModel(Pooled()), TorchModel(OneStepLess()), FLOATS).verdict()
    assert verdict.reason.startswith("before gru: the lengths of rows are one too small (")
