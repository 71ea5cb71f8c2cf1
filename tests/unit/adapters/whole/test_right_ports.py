"""Right ports that do inside what the source does not: they are not called wrong."""

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
