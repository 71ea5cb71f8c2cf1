"""The tests of a port: what `pytest tests/port --source ... --target ...` runs."""

import pytest

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.check import Pair, judged
from rnn_lockstep.tests.harness.port_run import PAIR, TOLD

pytestmark = pytest.mark.filterwarnings("default")  # theirs are no failures


@pytest.fixture
def pair(pytestconfig: pytest.Config) -> Pair:
    """Source and target, as the options have them."""
    return pytestconfig.stash[PAIR]


def test_weights(pair: Pair) -> None:
    """Statically: every array, and every option that decides the answer."""
    if pair.diff is None:
        pytest.skip("the target's weights cannot be read; its answers tell")
    if pair.diff.cause:
        lines = [f"weights: {pair.diff.cause}", *(f"  {line}" for line in pair.diff.lines())]
        pytest.fail("\n".join(lines), pytrace=False)


def test_sequences(pair: Pair, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    """Every step of sequences from one step to thirty, the smallest first."""
    examples = pytestconfig.getoption("--max-examples")
    try:
        verdict = judged(pair, **({} if examples is None else {"examples": examples}))
    except InvalidModel as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    request.node.stash[TOLD] = str(verdict)
    if not verdict:
        pytest.fail(str(verdict), pytrace=False)
