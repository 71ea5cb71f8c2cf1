"""The examination of failures in a run: it takes no more than its time, and can be interrupted."""

import re

import pytest

from tests.command_line.running import run_pytest

TRANSPOSED = "tests.faults.catalogue:u_transposed"
TEST = ("tests/parity/test_every_step.py::test_every_step", "-k", "simple_rnn", "--backend", TRANSPOSED)
# Plugins for a run: what is done in the place of the examination, or how much time there is.
PLUGINS = {
    "interrupted": """
import signal
from rnn_lockstep.tests.harness import failure

def interrupt(*_):
    signal.raise_signal(signal.SIGINT)

failure.examine = interrupt
""",
    "hurried": """
from rnn_lockstep.tests.harness.budget import BUDGET, Budget

def pytest_configure(config):
    config.stash[BUDGET] = Budget(whole=0.0)
""",
}


@pytest.fixture
def plugins(tmp_path):
    """A folder with the plugins as modules."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, text in PLUGINS.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_an_interruption_ends_the_run_and_the_failure_is_shown(tmp_path, plugins):
    twice = [*TEST, "tests/parity/test_notebook.py"]
    run = run_pytest(*twice, "-p", "interrupted", python_path=plugins, root=tmp_path)
    assert run.returncode == 2, run.stdout + run.stderr
    assert "! Interrupted: while looking for a cause !" in run.stdout
    assert re.search(r"= 1 failed, 5 deselected in ", run.stdout)  # and not the tests after it
    assert "not diagnosed, interrupted: right before step 1, wrong there" in run.stdout
    assert "lockstep: every step against the oracle" in run.stdout
    [saved] = (tmp_path / ".lockstep").iterdir()
    assert f"again: pytest --replay={saved}" in run.stdout


def test_a_run_without_time_says_so(plugins):
    run = run_pytest(*TEST, "-p", "hurried", python_path=plugins)
    assert run.returncode == 1
    used_up = "not diagnosed: the 0 s for this run are used up: right before step 1, wrong there"
    assert f"AssertionError: {TRANSPOSED}: wrong outputs: {used_up}" in run.stdout
    assert f"{TRANSPOSED}, in 1 tests: {used_up}" in run.stdout
