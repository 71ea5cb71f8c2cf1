"""Modules around a recurrent one that drop its weights out: read and asked by the weights that they keep."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import loaded, module


class Dropping(nn.Module):
    """A wrapper that keeps U as a parameter of its own, and gives the layer what is not dropped of it."""

    def __init__(self, rnn):
        super().__init__()
        self.module = rnn
        raw = rnn.weight_hh_l0
        self.register_parameter("weight_hh_l0_raw", nn.Parameter(raw.detach().clone()))
        del rnn._parameters["weight_hh_l0"]
        rnn.register_buffer("weight_hh_l0", raw.detach() * (torch.rand_like(raw) > 0.5))  # the last call's

    def forward(self, *inputs):
        raw = self.weight_hh_l0_raw
        self.module.weight_hh_l0 = nn.functional.dropout(raw, 0.5, self.training)
        return self.module(*inputs)


class Model(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        torch.manual_seed(3)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.encoder(x)[0])


@pytest.fixture
def source():
    return module(nn.LSTM)


def test_what_it_keeps_is_read(source):
    [layer] = read_live(Model(Dropping(loaded(source))))
    [plain] = read_live(source)
    assert (layer.cells[0].U == plain.cells[0].U).all()


def test_it_is_a_port_as_a_target_and_a_source(source):
    assert check_port(source, Dropping(loaded(source)))
    assert check_port(Dropping(loaded(source)), source)
    verdict = check_port(source, Model(Dropping(loaded(source))), target_layer="encoder.module")
    assert verdict.status == "match"
    assert verdict.only


def test_within_a_whole_model_it_matches(source):
    plain, dropping = Model(loaded(source)), Model(Dropping(loaded(source)))
    verdict = lockstep_check(plain, dropping, inputs="x:float (batch,time,4)")
    assert verdict, verdict


def test_a_wrong_one_is_named(source):
    def transposed(state):
        state["weight_hh_l0"] = torch.cat([part.T for part in state["weight_hh_l0"].chunk(4)])

    verdict = check_port(source, Dropping(loaded(source, transposed)))
    assert verdict.status == "mismatch"
    assert "U is transposed" in verdict.cause
