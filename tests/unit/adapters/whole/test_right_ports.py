"""Right ports that do inside what the source does not: they are not called wrong."""

import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
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
    assert str(wrong).startswith("mismatch: after decoder: ")
