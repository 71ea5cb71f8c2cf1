"""What was not run is neither match nor mismatch: the headline and the exit code say what was compared."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel
from rnn_lockstep.adapters.port.check import check_port
from rnn_lockstep.adapters.port.verdict import exit_code
from tests.unit.adapters.ports import Classifier, OutputsOnly, loaded, module
from tests.unit.adapters.test_port_check import transposed


class Pair(nn.Module):
    """An encoder and a decoder, with something between them."""

    def __init__(self, encoder, decoder, between=lambda outputs, state: (outputs, state)):
        super().__init__()
        self.encoder, self.decoder, self.between = encoder, decoder, between

    def forward(self, tokens):
        inputs = torch.nn.functional.one_hot(tokens, 4).float()
        outputs, state = self.encoder(inputs)
        return self.decoder(*self.between(outputs, state))[0]


def pair_of(between=lambda outputs, state: (outputs, state), **options):
    encoder, decoder = module(nn.LSTM, seed=1), module(nn.LSTM, seed=2)
    return Pair(loaded(encoder, **options), loaded(decoder, **options), between)


WRONG_AROUND = {
    "nothing": pair_of(),
    "batch_first is forgotten": pair_of(batch_first=False),
    "relu between": pair_of(lambda outputs, state: (torch.relu(outputs), state)),
    "c and h handed on the wrong way round": pair_of(lambda outputs, state: (outputs, state[::-1])),
}


def headline(verdict):
    return str(verdict).partition("\n")[0]


@pytest.mark.parametrize("layer", ["encoder", "decoder"])
@pytest.mark.parametrize("wrong", WRONG_AROUND)
def test_a_layer_of_a_model_is_no_whole_match_whatever_is_around_it(wrong, layer):
    verdict = check_port(pair_of(), WRONG_AROUND[wrong], layer=layer, examples=6)
    assert headline(verdict) == f"match: layer {layer} alone; the model around it was not run"
    assert not verdict
    assert exit_code(verdict) == 5
    said = any("batch_first=False: whether the model gives it time first" in note for note in verdict.notes)
    assert said == (wrong == "batch_first is forgotten")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_layer_of_a_compiled_model_is_no_whole_match():
    model = torch.compile(pair_of(), backend="eager")
    assert exit_code(check_port(pair_of(), model, layer="encoder", examples=3)) == 5


def test_a_wrong_layer_of_a_model_is_a_mismatch():
    port = pair_of()
    with torch.no_grad():
        port.decoder.weight_hh_l0.mul_(2)
    assert exit_code(check_port(pair_of(), port, layer="decoder", examples=6)) == 1
    assert exit_code(check_port(pair_of(), port, layer="encoder", examples=6)) == 5


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_classifier_is_compared_by_its_layer_alone(kind):
    source = module(kind)
    verdict = check_port(source, Classifier(source), examples=6)
    assert headline(verdict) == "match: layer rnn alone; the model around it was not run"
    assert "Classifier.forward, does not fit" in str(verdict)
    wrong = loaded(source, lambda state: state["weight_hh_l0"].mul_(2))
    assert headline(check_port(source, Classifier(wrong), examples=6)) == "mismatch: U is doubled"


def test_a_layer_that_is_given_itself_or_has_no_model_around_it_is_compared_whole():
    model = pair_of()
    assert exit_code(check_port(model, model.encoder, layer="encoder", examples=6)) == 0
    assert check_port(model, nn.ModuleDict({"encoder": model.encoder}), layer="encoder", examples=6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_that_only_its_weights_tell_of_is_compared_by_them():
    source = module(nn.LSTM)
    verdict = check_port(source, torch.jit.script(Classifier(source)), examples=6)
    assert headline(verdict) == "match: the weights of layer rnn alone; its answers could not be compared"
    assert exit_code(verdict) == 5
    wrong = check_port(source, torch.jit.script(Classifier(loaded(source, transposed))), examples=6)
    assert headline(wrong) == "mismatch: U is transposed"


def test_what_proves_nothing_is_neither_match_nor_mismatch():
    source = module(nn.LSTM)
    verdict = replace(check_port(source, source, examples=1), status="inconclusive", reason="too wide")
    assert headline(verdict) == "inconclusive: too wide"
    assert not verdict
    assert exit_code(verdict) == 5


class Normed(OutputsOnly):
    """A layer and something after it that leaves the shape as it is."""

    def forward(self, x):
        return nn.functional.layer_norm(super().forward(x), (4,))


def test_where_only_what_is_around_a_layer_is_wrong_that_is_noted():
    source = module(nn.LSTM)
    said = "layer rnn alone matches: what is wrong is around it, in what the model does before or after"
    verdict = check_port(source, Normed(source), examples=4)
    assert exit_code(verdict) == 1
    assert said in verdict.notes
    assert said not in check_port(source, Normed(loaded(source, transposed)), examples=4).notes
    assert said not in check_port(source, OutputsOnly(source), examples=4).notes


class Packed(OutputsOnly):
    """Sorts rows by their lengths and packs them, as recipes do; `back` puts the rows back."""

    def __init__(self, rnn, back=True):
        super().__init__(rnn)
        self.back = back

    def forward(self, x, input_lens):
        lens, order = torch.sort(input_lens, descending=True)
        packed = nn.utils.rnn.pack_padded_sequence(x[order], lens.cpu(), batch_first=True)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(
            self.rnn(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        return outputs[torch.argsort(order)] if self.back else outputs


class Masked(Packed):
    def forward(self, x, attention_mask):
        return super().forward(x, attention_mask.sum(1))


@pytest.mark.parametrize("packs", [Packed, Masked])
def test_a_forward_that_must_be_given_lengths_is_run(packs):
    source = module(nn.LSTM)
    right = check_port(source, packs(source))
    assert right, right
    assert headline(right) == "match"
    wrong = check_port(source, packs(source, back=False))
    assert exit_code(wrong) == 1
    assert headline(wrong) == (
        "mismatch: the rows are in the order of their lengths: sorted by length, and not put back"
    )


class RaisesOnStates(nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x, state=None):
        if state is not None:
            raise TypeError("needs a state of its own kind")
        return self.rnn(x)[0]


def test_states_that_could_not_be_given_are_told():
    source = module(nn.GRU)
    verdict = check_port(source, RaisesOnStates(source), examples=4)
    says = "match: from zeros alone; what it does with an initial state could not be compared"
    assert headline(verdict) == says
    assert exit_code(verdict) == 5
    assert any("needs a state of its own kind" in note for note in verdict.notes)


def test_what_cannot_be_asked_and_whose_weights_cannot_be_read_is_unusable():
    with pytest.raises(InvalidModel):
        check_port(module(nn.LSTM), lambda inputs: 1 / 0)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (torch.relu, "relu is applied to the outputs, after the layer"),
        (torch.tanh, "tanh is applied to the outputs, after the layer"),
        (lambda y: torch.cat([0 * y[:, :1], y[:, :-1]], dim=1), "the outputs are one step late"),
        (
            lambda y: y**3,
            "layer rnn alone matches: what is wrong is around it, in what the model does before or after",
        ),
    ],
)
def test_what_is_applied_after_the_layer_is_named(after, says):
    class After(OutputsOnly):
        def forward(self, x):
            return after(super().forward(x))

    source = module(nn.GRU)
    verdict = check_port(source, After(loaded(source)))
    assert verdict.status == "mismatch"
    assert verdict.cause.startswith(says)


def test_layers_that_do_not_fit_on_each_other_are_told():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = module(nn.GRU, sizes=(4, 6)), module(nn.GRU, sizes=(4, 6))

    with pytest.raises(InvalidModel, match="other takes inputs of 4, which one does not give"):
        check_port(module(nn.GRU, sizes=(4, 6), num_layers=2), Two(), target_layer="one+other")
