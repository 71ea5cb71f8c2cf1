"""Ports as people write them, right and wrong, for tests of the messages about them."""

import numpy as np
import torch
from torch import nn

from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.reference.oracle.engine import PLAIN


def module(kind, *, scale=1.0, seed=0, sizes=(4, 4), **options):
    """A module of torch's own with drawn weights; D is H, so that no shape tells of a mistake."""
    torch.manual_seed(seed)
    made = kind(*sizes, batch_first=True, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(scale * torch.randn_like(parameter) / 2)
    return made


def loaded(source, change=None, **options):
    """A module with a source's weights; `change` works on its state dict, where suffixes are names."""
    made = type(source)(
        source.input_size,
        source.hidden_size,
        num_layers=source.num_layers,
        bidirectional=source.bidirectional,
        **{"batch_first": True, **options},
    )
    state = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    if change:
        change(state)
    made.load_state_dict(state)
    return made


class Whole(nn.Module):
    """A port of one's own around a recurrent layer."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x, state=None):
        return self.rnn(x, state)


class OutputsOnly(Whole):
    """A port that returns outputs and no states."""

    def forward(self, x):
        return self.rnn(x)[0]


class LastColumn(Whole):
    """The last output as the last column, which is not where the backward direction ends."""

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


class Classifier(Whole):
    """A model of which the recurrent layer is a part."""

    def __init__(self, rnn):
        super().__init__(rnn)
        self.head = nn.Linear(rnn.hidden_size, 9)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def function_of(source, **takes):
    """A NumPy function that computes what a module does: the oracle, under another name."""
    [layer] = read_live(source)

    def answer(inputs, **more):
        trace = PLAIN.answer(layer.case(np.asarray(inputs), **more))
        return trace.outputs, *trace.states

    def plain(inputs):
        return answer(inputs)[0]

    def stateful(inputs, initial_state=None):
        return answer(inputs, **named(initial_state))

    def with_lengths(inputs, initial_state=None, lengths=None):
        return answer(inputs, lengths=lengths, **named(initial_state))

    def named(state):
        if state is None:
            return {}
        states = state if isinstance(state, tuple) else (state,)
        return dict(zip(("initial_state", "initial_cell_state"), states, strict=False))

    return {"nothing": plain, "states": stateful, "lengths": with_lengths}[takes.get("takes", "nothing")]
