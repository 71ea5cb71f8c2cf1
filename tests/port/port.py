"""The tests of a port, which `pytest tests/port --source ... --target ...` runs."""

from typing import Any

import pytest

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.lockstep import Question
from rnn_lockstep.adapters.port.verdict import UNUSABLE, WRONG, exit_code
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.tests.harness.port_run import CODE, FINDING, QUESTION, VERDICT, WEIGHTS
from rnn_lockstep.tests.harness.report.port.content import found, properties, unusable

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks' are no failures


@pytest.fixture
def question(pytestconfig: pytest.Config) -> Question:
    """The source and target that the options name."""
    return pytestconfig.stash[QUESTION]


def test_weights(question: Question, request: pytest.FixtureRequest) -> None:
    """Compare every array, and every option that decides the answer, without running anything."""
    if isinstance(question.whole, WholePair):
        pytest.skip("of whole models the weights are compared layer by layer, as the layers are reached")
    if (diff := question.diff) is None:
        pytest.skip("the target's weights cannot be read; its answers tell")
    if diff.cause:
        request.node.stash[WEIGHTS] = diff.cause
        lines = [f"weights: {diff.cause}", *(f"  {line}" for line in diff.lines())]
        pytest.fail("\n".join(lines), pytrace=False)


def test_sequences(question: Question, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    """Check every step of sequences from one step to thirty, the smallest first."""
    try:
        verdict = question.verdict(pytestconfig.getoption("--max-examples"))
    except InvalidModel as error:
        request.node.stash[CODE] = UNUSABLE
        leave(request.node, unusable(error, question.source, question.target))
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    request.node.stash[VERDICT] = str(verdict)
    leave(request.node, found(verdict))
    code = request.node.stash[CODE] = exit_code(verdict)
    if code == WRONG:
        pytest.fail(str(verdict), pytrace=False)
    if code:
        pytest.skip(str(verdict).partition("\n")[0])


def leave(node: pytest.Item, finding: dict[str, Any]) -> None:
    """Leave a finding for the reports, and as properties for --junitxml."""
    node.stash[FINDING] = finding
    node.user_properties += properties(finding)
