"""Where within a wrong segment two models part is told, where no known mistake explains it."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check

FLOATS = "x:float (batch,time,4)"


class Layered(nn.Module):
    """Three linear layers, an LSTM and two more."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.third = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 4)
        self.rnn = nn.LSTM(4, 4, batch_first=True)
        self.fourth, self.fifth = nn.Linear(4, 3), nn.Linear(3, 2)

    def before(self, x):
        return self.third(torch.tanh(self.second(torch.tanh(self.first(x)))))

    def after(self, outputs):
        return self.fifth(torch.tanh(self.fourth(outputs)))

    def forward(self, x):
        return self.after(self.rnn(self.before(x))[0])


class OtherSecond(Layered):
    def before(self, x):
        return self.third(torch.tanh(torch.sin(self.second(torch.tanh(self.first(x))))))


class OtherFourth(Layered):
    def after(self, outputs):
        return self.fifth(torch.tanh(self.fourth(outputs**3)))


class NothingAfter(Layered):
    def after(self, outputs):
        return outputs[..., :2]


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (OtherSecond, "before rnn: both still have what second gives; in the source there follows third"),
        (
            OtherFourth,
            "after rnn: the source has fourth, fifth there, and the port no layer",
        ),
        (
            NothingAfter,
            "after rnn: the source has fourth, fifth there, and the port no layer",
        ),
    ],
)
def test_torch_models_part_after_a_layer(port, says):
    verdict = lockstep_check(Layered(), port(), inputs=FLOATS)
    assert verdict.status == "mismatch"
    assert verdict.reason.startswith(says)


def test_keras_models_part_after_a_layer():
    keras = pytest.importorskip("keras")
    layers = keras.layers

    def made(axis):
        inputs = layers.Input((None, 4))
        found = layers.Dense(4, activation="tanh", name="dense")(inputs)
        found = layers.LSTM(4, return_sequences=True, name="rnn")(found)
        found = layers.Dense(4, activation="tanh", name="after")(found)
        found = layers.Softmax(axis=axis, name="weights")(found)
        return keras.Model(inputs, layers.Dense(2, name="head")(found))

    source, port = made(axis=-1), made(axis=1)
    rng = np.random.default_rng(0)
    for model in (source, port):
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    verdict = lockstep_check(source, port)
    assert verdict.status == "mismatch"
    assert verdict.reason.startswith(
        "after rnn: both still have what after gives; in the source there follows weights, head"
    )
    assert lockstep_check(source, source)


class TwoHeads(nn.Module):
    """An LSTM, and two heads that are scaled."""

    temperature = 1.0

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.rnn = nn.LSTM(4, 4, batch_first=True)
        self.tags, self.values = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        outputs, _ = self.rnn(x)
        return (self.tags(outputs) / self.temperature).log_softmax(-1), self.values(outputs.mean(1))


class Tempered(TwoHeads):
    temperature = 0.9


def test_layers_of_the_other_head_are_not_named():
    verdict = lockstep_check(TwoHeads(), Tempered(), inputs=FLOATS)
    says = "after rnn: the port does something after what tags gives, the last layer of the source there"
    assert verdict.reason.startswith(says)


class Joined(Layered):
    """What two layers give is put together, in either order."""

    order = 1

    def __init__(self):
        super().__init__()
        self.fourth, self.fifth, self.join = nn.Linear(4, 3), nn.Linear(6, 2), nn.Identity()

    def after(self, outputs):
        both = [self.fourth(outputs), outputs[..., :3]]
        return self.fifth(self.join(torch.cat(both[:: self.order], -1)))


class JoinedOtherwise(Joined):
    order = -1


def test_the_same_numbers_in_another_order_are_not_the_same_answer():
    verdict = lockstep_check(Joined(), JoinedOtherwise(), inputs=FLOATS)
    assert verdict.reason.startswith(
        "after rnn: both still have what fourth gives; in the source there follows join"
    )


class HeadsExchanged(TwoHeads):
    def forward(self, x):
        return super().forward(x)[::-1]


def test_exchanged_outputs_are_told():
    verdict = lockstep_check(TwoHeads(), HeadsExchanged(), inputs=FLOATS)
    assert verdict.reason.startswith("after rnn: outputs 0 and 1 are exchanged (")
    watched = lockstep_check(TwoHeads().forward, HeadsExchanged(), inputs=FLOATS)
    assert watched.reason.startswith("the whole model: outputs 0 and 1 are exchanged (")


class Bridged(nn.Module):
    """Two GRUs, of which the second begins with what a layer makes of the first one's state."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.low, self.high = nn.GRU(4, 4, batch_first=True), nn.GRU(4, 4, batch_first=True)
        self.bridge, self.tags, self.values = nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        outputs, h = self.low(x)
        outputs, _ = self.high(outputs, torch.tanh(self.bridge(h)))
        return self.tags(outputs), torch.tanh(self.values(outputs.mean(1)))


@pytest.mark.parametrize(
    ("layer", "part", "says"),
    [
        (
            "bridge",
            "weight",
            "between low and high: bridge.weight is the source's bridge.weight (4, 4) tr",
        ),
        ("bridge", "bias", "between low and high: the port has no array like the source's bridge.bias (4,)"),
        ("values", "bias", "after high: the port has no array like the source's values.bias (2,)"),
    ],
)
def test_arrays_behind_states_and_second_outputs_are_told(layer, part, says):
    port = Bridged()
    tensor = getattr(getattr(port, layer), part).data
    tensor.copy_(tensor.T.clone() if part == "weight" else 0 * tensor)
    assert lockstep_check(Bridged(), port, inputs=FLOATS).reason.startswith(says)
