"""The tests of a port, which `pytest tests/port --source ... --target ...` runs."""

import pytest

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.check import Pair, check_pair
from rnn_lockstep.adapters.port.verdict import UNUSABLE, WRONG, exit_code
from rnn_lockstep.tests.harness.port_run import CODE, PAIR, VERDICT

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks' are no failures


@pytest.fixture
def pair(pytestconfig: pytest.Config) -> Pair:
    """The source and target that the options name."""
    return pytestconfig.stash[PAIR]


def test_weights(pair: Pair) -> None:
    """Compare every array, and every option that decides the answer, without running anything."""
    if pair.diff is None:
        pytest.skip("the target's weights cannot be read; its answers tell")
    if pair.diff.cause:
        lines = [f"weights: {pair.diff.cause}", *(f"  {line}" for line in pair.diff.lines())]
        pytest.fail("\n".join(lines), pytrace=False)


def test_sequences(pair: Pair, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    """Check every step of sequences from one step to thirty, the smallest first."""
    examples = pytestconfig.getoption("--max-examples")
    try:
        verdict = check_pair(pair, **({} if examples is None else {"examples": examples}))
    except InvalidModel as error:
        request.node.stash[CODE] = UNUSABLE
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    request.node.stash[VERDICT] = str(verdict)
    code = request.node.stash[CODE] = exit_code(verdict)
    if code == WRONG:
        pytest.fail(str(verdict), pytrace=False)
    if code:
        pytest.skip(str(verdict).partition("\n")[0])
