"""What users' code and frameworks warn of fails no port check; this run makes errors of warnings."""

import shutil
import warnings

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import OutputsOnly, function_of, loaded, module


class Warns(OutputsOnly):
    def forward(self, x):
        warnings.warn("an old call", DeprecationWarning, stacklevel=1)
        return super().forward(x)


def compiled(model):
    """As torch compiles it; without a C++ compiler by the backend that needs none."""
    return torch.compile(model, backend="inductor" if shutil.which("g++") else "eager")


def scripted(model):
    return torch.jit.script(model)


def traced(model):
    return torch.jit.trace(model, torch.zeros(2, 5, 4))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("made", [compiled, scripted, traced])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_right_ports_that_torch_has_made_anew_match_and_wrong_ones_do_not(made, kind):
    source = module(kind)
    verdict = check_port(source, made(OutputsOnly(loaded(source))), examples=4)
    assert verdict, verdict
    assert "W identical; U identical; b identical" in verdict.weights
    wrong = made(OutputsOnly(loaded(source, lambda state: state["weight_hh_l0"].mul_(2))))
    assert "U is doubled" in str(check_port(source, wrong, examples=4)).splitlines()[0]


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_model_can_be_the_source():
    source = module(nn.LSTM)
    assert check_port(scripted(OutputsOnly(source)), source, examples=4)


def test_a_warning_of_a_port_is_no_error():
    source = module(nn.LSTM)

    def port(inputs):
        warnings.warn("an old call", DeprecationWarning, stacklevel=1)
        return function_of(source)(inputs)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")
        assert check_port(source, port, examples=3)
        assert check_port(source, Warns(source), examples=3)
    assert {str(each.message) for each in told} == {"an old call"}


def test_a_warning_of_ours_is_an_error():
    with foreign_code():
        warnings.simplefilter("ignore")
    with pytest.raises(DeprecationWarning):
        warnings.warn("ours", DeprecationWarning, stacklevel=1)
