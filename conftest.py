"""The harness, a pytest plugin, loaded from this clone: tests/harness/plugin.py."""

from importlib.util import find_spec
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent


def problem() -> str:
    """Name what keeps pytest from testing this clone's code, in one line; empty where nothing does."""
    try:
        found = find_spec("rnn_lockstep.reference")
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        return f"rnn_lockstep is not installed; in {CLONE}: pip install -e ."
    installed = Path(found.origin).resolve().parents[1]
    if installed != CLONE:
        return f"the rnn_lockstep that is installed is that of {installed}; in {CLONE}: pip install -e ."
    return ""


if PROBLEM := problem():

    def pytest_addoption() -> None:
        """End the run. Raises pytest.UsageError, which pytest shows as one line."""
        raise pytest.UsageError(PROBLEM)

else:
    pytest_plugins = ["rnn_lockstep.tests.harness.plugin"]
