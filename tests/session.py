"""A run of the suite, as a pytest plugin: which backends it has, what they scored, what is printed."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import settings

from adapters import UnknownBackend, find, known_backends, load
from adapters.contract import CELLS
from tests.backend import Backend
from tests.failure import failures
from tests.scoreboard import Scores, rendered

# The names under which results travel in a test's report, from whichever process ran it.
SCORES = "lockstep-scores"
FAULTS = "lockstep-faults"
DIAGNOSED = "lockstep-diagnosed"
WIDTH_IN_A_FILE = 150  # columns of the table where there is no terminal


class Session:
    """Hooks and the state they share. Raises adapters.UnknownBackend for a backend it cannot find."""

    def __init__(self, asked: Sequence[str]) -> None:
        known = known_backends()
        self.not_installed = [] if asked else [name for name in known if known[name].missing]
        self.names = list(dict.fromkeys(asked)) or [name for name in known if name not in self.not_installed]
        self.loaded: dict[str, Backend] = {}
        self.scores: dict[str, Scores] = {}
        self.facts: dict[str, str] = {}
        self.not_tested: dict[str, str] = {}
        self.faults: dict[str, tuple[int, int]] = {}  # by family: killed, planted
        self.failures: list[dict[str, Any]] = []  # as `Failure.to_json` makes them
        self.parallel = False
        for name in self.names:
            find(name)
            if name.partition(":")[0] not in known:  # only importing it can tell; a framework can wait
                self.backend(name)

    def backend(self, name: str) -> Backend:
        """The backend, its framework imported at the first call. Raises UnknownBackend when that fails."""
        if name not in self.loaded:
            self.loaded[name] = Backend(name, load(name))
        return self.loaded[name]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each backend in turn and, for tests with a `cell`, each cell that it can run."""
        if {"backend", "cell"} <= set(metafunc.fixturenames):
            pairs = [(name, cell) for name in self.names for cell in self.cells(name)]
            metafunc.parametrize(("backend", "cell"), pairs, indirect=["backend"], scope="session")
        elif "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.names, indirect=True, scope="session")

    def cells(self, name: str) -> tuple[str, ...]:
        """The cells that a backend is tested on: the known ones have them all; others declare theirs."""
        return self.loaded[name].adapter.facts.cells if name in self.loaded else CELLS

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Send the test's scores with its report; fail a test of a backend that compared nothing."""
        backend = getattr(item, "funcargs", {}).get("backend")
        if backend is None:
            return (yield)
        backend.scores = Scores()
        try:
            result = yield
        finally:
            facts = backend.adapter.facts
            results = [backend.name, str(facts), facts.not_tested, backend.scores.to_json()]
            item.user_properties.append((SCORES, results))
        if not backend.scores.compared:
            pytest.fail("no case was compared, so this test shows nothing", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[pytest.TestReport]:
        """Send a test's failures with its report, from whichever process ran it."""
        failed = list(failures(call.excinfo.value if call.excinfo else None))
        for failure in failed:
            failure.test = item.nodeid
        report = yield
        report.lockstep_failures = [failure.to_json() for failure in failed]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the scores, in the process that prints the summary."""
        self.failures += getattr(report, "lockstep_failures", [])
        for key, value in report.user_properties if report.when == "call" else ():
            if key == SCORES:
                name, facts, not_tested, scores = value
                self.scores.setdefault(name, Scores()).add_json(scores)
                self.facts[name], self.not_tested[name] = facts, not_tested
            elif key == FAULTS:
                family, killed, planted = value
                self.faults[family] = (killed, planted)

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        self.parallel = bool(config.getoption("numprocesses", None))
        lines = [f"lockstep: backends {', '.join(self.names)}; {settings().max_examples} examples"]
        if self.not_installed:
            lines.append(f"lockstep: not installed, not tested: {', '.join(self.not_installed)}")
        return lines

    def pytest_report_collectionfinish(
        self, config: pytest.Config, items: Sequence[pytest.Item]
    ) -> list[str]:
        """Versions, devices and settings of the backends that the collected tests use."""
        if hasattr(config, "workerinput"):  # a process of pytest-xdist's; its header is not shown
            return []
        used = {item.callspec.params.get("backend") for item in items if hasattr(item, "callspec")}
        try:
            with quiet(config):
                backends = [self.backend(name) for name in self.names if name in used]
        except UnknownBackend as error:
            raise pytest.UsageError(str(error)) from None
        return [f"lockstep: {backend.adapter.facts}" for backend in backends]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.scores:
            terminalreporter.section("lockstep: every step against the oracle")
            width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
            scores = {name: self.scores[name] for name in self.names if name in self.scores}
            terminalreporter.write(rendered(scores, width))
            for name, by_layer in scores.items():
                if self.parallel:  # the header of a parallel run does not know them
                    terminalreporter.write_line(str(self.facts[name]))
                reasons = sum((score.reasons for score in by_layer.values()), Counter[str]())
                for reason, count in reasons.items():
                    terminalreporter.write_line(f"{name} refused {count}: {reason}")
                if self.not_tested[name]:
                    terminalreporter.write_line(f"{name} not tested on: {self.not_tested[name]}")
            for name in self.not_installed:
                terminalreporter.write_line(f"{name} is not installed and was not tested")
        if self.faults:
            terminalreporter.section("lockstep: the suite against its faults")
            killed, planted = (sum(numbers) for numbers in zip(*self.faults.values(), strict=True))
            terminalreporter.write_line(f"kill-rate: {killed} of {planted} faults ({killed / planted:.1%})")


@contextmanager
def quiet(config: pytest.Config) -> Iterator[None]:
    """Capture what frameworks print while they are imported, and drop it."""
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.resume_global_capture()
    try:
        yield
    finally:
        capture.suspend_global_capture()
        capture.read_global_capture()
