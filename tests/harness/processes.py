"""Processes of the backends, as a pytest plugin: what they print is shown, and they end with the run."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from rnn_lockstep.adapters.one_line import shown
from rnn_lockstep.tests.harness.backend import backend_of
from rnn_lockstep.tests.harness.session import Session

SCREEN = 24  # lines
WIDEST = 200  # characters of a line


class Processes:
    """Hooks around each test, and at the end."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.told: set[str] = set()  # the backends that have failed a test since they cannot be made

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the tests of a backend that cannot be made, all but the first, which fails for it."""
        name = name_of(item)
        if name in self.told:
            pytest.skip(self.session.broken[name])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Begin the account of lost cases anew; fail the test where there were too many."""
        if backend := backend_of(item):
            backend.begin()
            if reason := backend.losses.given_up:
                pytest.fail(f"{backend.name}: {reason}", pytrace=False)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Show with a failure what the backend has printed."""
        report = yield
        if call.when == "setup":
            name = name_of(item)
            if name in self.session.broken:
                self.told.add(name)
                report.lockstep_broken = (name, self.session.broken[name])
        if call.when == "call" and (backend := backend_of(item)):
            printed = backend.printed()
            if report.failed and printed.strip():
                report.sections.append((f"printed by {backend.name}", on_a_screen(printed)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tests that were not run, in the process that prints the summary."""
        if broken := getattr(report, "lockstep_broken", None):
            name, reason = broken
            self.session.broken[name] = reason
            self.session.not_run[name] += 1

    def pytest_unconfigure(self) -> None:
        """End all processes."""
        self.session.close()


def name_of(item: pytest.Item) -> str:
    """The name of the backend that a test is for, made or not; empty where it is for none."""
    name: str = getattr(getattr(item, "callspec", None), "params", {}).get("backend", "")
    return name


def on_a_screen(text: str) -> str:
    """The last lines of a text, as many as a screen has, without what would move its cursor."""
    lines = [shown(line)[:WIDEST] for line in text.expandtabs().splitlines()]
    left_out = len(lines) - SCREEN
    return "\n".join([f"... {left_out} lines before", *lines[-SCREEN:]] if left_out > 0 else lines)
