"""Pytest plugin that goes on to the next backend once one has failed, and writes down what failed it.

Used by the kill-rate test: `-p tests.faults.first_failure`, results to the file $LOCKSTEP_FAILURES.
Of each backend the test that $LOCKSTEP_FIRST gives for it, by a part of its name or its file's, comes first.
"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from rnn_lockstep.tests.harness import session
from rnn_lockstep.tests.harness.failure import Failure

session.AT_ONCE = 50  # no process is ended before its turn, to be started again
Failure.examines = False  # only that it fails is asked here
FAILURES: dict[str, str] = {}  # backend: the first line of its first failure


@pytest.hookimpl(trylast=True)  # after the profile that was asked for
def pytest_configure() -> None:
    """Look for no smaller case: that a fault is seen is enough."""
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("no-smaller-case", settings(), phases=phases)
    settings.load_profile("no-smaller-case")


def backend_of(item: pytest.Item) -> str:
    """Return the name of the backend that a test is of."""
    return item.callspec.params["backend"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the likeliest tests first."""
    first = json.loads(os.environ["LOCKSTEP_FIRST"])
    items.sort(key=lambda item: first[backend_of(item)] not in item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Pass over the tests of a backend that has failed already: 18,000, of which each skip takes 1 ms."""
    if backend_of(item) not in FAILURES:
        return None
    item.session._setupstate.teardown_exact(nextitem)  # of what the test before was set up with
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> pytest.TestReport:
    """Keep the first line of a backend's failure."""
    report = yield
    if report.failed:
        message = f"{type(call.excinfo.value).__name__}: {call.excinfo.value}"
        FAILURES[backend_of(item)] = f"{item.originalname}: {message.splitlines()[0]}"
    return report


def pytest_sessionfinish() -> None:
    """Write the failures down."""
    Path(os.environ["LOCKSTEP_FAILURES"]).write_text(json.dumps(FAILURES))
