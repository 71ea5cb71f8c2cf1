"""A function that a port applies in place of the source's is told, and none is denied that it applies."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check

FLOATS = "x:float (batch,time,4)"


class Activated(nn.Module):
    """Two GRUs, a linear layer with a function between them; the scores are logarithms."""

    def __init__(self, between=torch.relu, end=torch.log_softmax):
        super().__init__()
        torch.manual_seed(2)
        self.low, self.high = nn.GRU(4, 4, batch_first=True), nn.GRU(4, 4, batch_first=True)
        self.linear, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.between, self.end = between, end

    def forward(self, x):
        outputs, _ = self.high(self.between(self.linear(self.low(x)[0])))
        return self.end(self.head(outputs), -1)


def leaky(x):
    return nn.functional.leaky_relu(x, 0.01)


def unknown(x):
    return nn.functional.leaky_relu(x, 0.3)


def nothing(x, axis=-1):
    return x


def reason(source, port):
    return lockstep_check(source, port, inputs=FLOATS).reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"between": leaky}, "between low and high: the source applies relu, the port leaky relu (0.01) ("),
        ({"between": nn.functional.elu}, "between low and high: the source applies relu, the port elu ("),
        ({"between": nothing}, "between low and high: the source applies relu, the port does not ("),
        ({"between": unknown}, "between low and high: the source has relu of it: the port applies another"),
        ({"end": torch.softmax}, "after high: the source applies log_softmax, the port softmax ("),
        ({"end": nothing}, "after high: the source applies log_softmax, the port does not ("),
    ],
)
def test_functions_of_what_both_have(change, says):
    assert reason(Activated(), Activated(**change)).startswith(says)


def test_what_only_outputs_tell_is_no_more_than_that():
    says = "after high: it is softmax of what the source has ("
    assert reason(Activated(), Activated(end=torch.softmax).forward).startswith(says)


def test_a_function_that_is_applied_twice():
    source = Activated(end=torch.softmax)
    port = Activated(end=lambda x, axis: x.softmax(axis).softmax(axis))
    assert reason(source, port).startswith("after high: the source applies softmax, the port softmax twice (")
