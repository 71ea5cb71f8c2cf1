"""Saved cases run again: a pytest plugin that collects those of `--replay` instead of the suite."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters import Refused, Trace
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.saved_cases.manifest import load_all
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from rnn_lockstep.reference.check.drift import Drift
from rnn_lockstep.tests.harness.again import shortest
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.findings import FOUND

TEST = Path(__file__).parents[1] / "parity" / "replay.py"


def check_saved(backend: Backend, saved: SavedCase, name: str = "a saved case") -> None:
    """Fail the test unless the backend's answer is right. Raises Refused.

    name: of the file, for what is told of an answer that is right.
    """
    need_declared(backend, saved)
    if saved.cotangents is None:
        tell_drift(backend, saved, backend.check(saved.case), name)
    else:
        backend.check_gradients(saved.case, saved.cotangents)


def tell_drift(backend: Backend, saved: SavedCase, trace: Trace, name: str) -> None:
    """Tell where an answer that is right is further off than rounding explains. It stays a match."""
    found = Drift()
    found.add(saved.case, trace, backend.adapter.facts.arithmetic(saved.case.dtype))
    if found.reason:
        backend.scores.add_drift(saved.case, f"{name}: {found.reason}")


def need_declared(backend: Backend, saved: SavedCase) -> None:
    """Raise Refused, and count it, where the backend does not declare what the case needs."""
    facts, what = backend.adapter.facts, "" if saved.cotangents is None else "grad"
    missing = [facts.undeclared(saved.case), "gradients" if what and not facts.gradients else ""]
    if any(missing):
        reason = f"it does not declare {', '.join(filter(None, missing))}"
        backend.scores.add_refusal(saved.case, reason, what)
        raise Refused(reason)


class Replay:
    """Hooks that run the cases of files and folders, and fail a run that compared none.

    Raises InvalidCase for the first file that is not what it should be.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.cases = {file: saved for path in paths for file, saved in load_all(path).items()}
        self.outcomes: set[str] = set()

    @pytest.hookimpl(trylast=True)  # the backend comes first among the parameters
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "replayed" in metafunc.fixturenames:
            metafunc.parametrize("replayed", self.cases.items(), ids=[file.stem for file in self.cases])

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self, item: pytest.Function) -> Generator[None, Any, Any]:
        """Name the file that was replayed in the message."""
        for failure in item.stash[FOUND]:
            replayed: Any = item.callspec.params["replayed"]
            failure.saved = shortest(replayed[0], item.config.invocation_params.dir)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.outcomes.add(f"{report.when} {report.outcome}")

    @property
    def compared_nothing(self) -> bool:
        return "call skipped" in self.outcomes and not self.outcomes & {"call passed", "call failed"}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.compared_nothing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for file, saved in self.cases.items():
            if saved.claim:
                more = f"{file.name} was saved for more than its answer: {printable(saved.claim)}"
                terminalreporter.write_line(f"lockstep: {more}")
        if self.compared_nothing:
            terminalreporter.write_line("lockstep: no case was compared, so this run shows nothing", red=True)
