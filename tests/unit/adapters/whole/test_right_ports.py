"""Right ports that do inside what the source does not: they are not called wrong."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.models.live import torch_module
from tests.unit.adapters.whole.models import TOKENS, Tagger


def checked(source, port, **options):
    return lockstep_check(source, port, **{"inputs": TOKENS, "examples": 5, **options})


def test_a_module_that_refuses_evaluation_mode_matches_and_what_is_beside_it_is_put_there():
    class Exported(Tagger):
        def train(self, mode=True):
            raise NotImplementedError  # as one of torch.export does

    port = nn.Sequential(Exported(), nn.Dropout())
    assert checked(Tagger(), port)
    assert port[1].training


class Rearranged(Tagger):
    """Answers rows in another order inside; `back` says whether the outputs are put back."""

    def __init__(self, back=True):
        super().__init__()
        self.back = back

    def forward(self, tokens):
        order = torch.arange(len(tokens)).roll(1)
        outputs = super().forward(tokens[order])
        return outputs[order.argsort()] if self.back else outputs


def test_rows_in_another_order_inside_match():
    verdict = checked(Tagger(), Rearranged())
    assert verdict, verdict
    assert {line.status for line in verdict.lines} == {"match"}
    assert "note: encoder is given the rows in another order; they are compared in the source's" in str(
        verdict
    )
    wrong = checked(Tagger(), Rearranged(back=False))
    assert str(wrong).startswith("mismatch: after decoder: the rows are in the order in which the layers")


def with_divided_biases(model, by=1.0):
    """A model in float64, whose biases of float32 are divided into two. by: what U is multiplied with."""
    with torch.no_grad():
        for layer in torch_module.recurrent(model).values():
            for name, bias in layer.named_parameters():
                if "bias_hh" in name:
                    given = getattr(layer, name.replace("hh", "ih"))
                    total = given + bias
                    given.copy_(0.3 * total)
                    bias.copy_(total - given)
                if "weight_hh" in name:
                    bias *= by
    return model.double()


@pytest.mark.parametrize("model", [Tagger, lambda: nn.LSTM(3, 4, batch_first=True)], ids=["whole", "layer"])
def test_weights_in_float64_that_are_the_sources_but_for_a_rounding_of_float32_match(model):
    source, port, wrong = model(), model(), model()
    for each in (port, wrong):
        each.load_state_dict(source.state_dict())
    given = {"inputs": TOKENS} if isinstance(source, Tagger) else {}
    verdict = lockstep_check(source, with_divided_biases(port), **given, examples=5)
    assert verdict, verdict
    verdict = lockstep_check(source, with_divided_biases(wrong, by=1 + 1e-6), **given, examples=5)
    assert verdict.status == "mismatch", verdict


class Folded(Tagger):
    """Doubles what the decoder is given; its W is halved where that is said."""

    def __init__(self, halved=True):
        super().__init__()
        with torch.no_grad():
            self.decoder.weight_ih_l0 /= 2 if halved else 1

    def decoded(self, outputs, state):
        return super().decoded(2 * outputs, state)


def test_what_is_undone_inside_matches_and_is_told():
    verdict = checked(Tagger(), Folded())
    assert verdict, verdict
    says = "match: the outputs; inside, the port computes something else: between encoder and decoder: it"
    assert str(verdict).startswith(says)
    assert str(checked(Tagger(), Folded(halved=False))).startswith("mismatch: between encoder and decoder: ")


def test_a_mistake_too_small_to_be_seen_in_the_outputs_is_not_undone():
    port = Tagger()
    with torch.no_grad():
        port.encoder.weight_hh_l0[0, 0] *= 1 + 1e-6
        port.decoder.weight_hh_l0[0, 0] *= 1 + 1e-6
    verdict = checked(Tagger(), port)
    assert str(verdict).startswith("mismatch: encoder itself: U[0, 0] is ")
    assert "; the outputs match all the same" in verdict.reason
