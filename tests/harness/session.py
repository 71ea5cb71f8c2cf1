"""A run of the suite, as a pytest plugin: its backends, their scores, the summary that is printed."""

import shutil
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import settings

from rnn_lockstep.adapters import UnknownBackend, find, known_backends, load
from rnn_lockstep.adapters.backends.contract import CELLS
from rnn_lockstep.adapters.backends.registry import BUILT_IN
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.budget import BUDGET, Budget
from rnn_lockstep.tests.harness.failure import Crash
from rnn_lockstep.tests.harness.findings import FOUND, findings
from rnn_lockstep.tests.harness.needs import missing
from rnn_lockstep.tests.harness.scores import Scores, render_table

SESSION = pytest.StashKey["Session"]()  # of a run that tests backends
# Where a test leaves its results; they travel in its report as plain data, from whichever process ran it.
SCORES = pytest.StashKey[list[Any]]()
FAULTS = pytest.StashKey[tuple[str, int, int]]()
DIAGNOSED = pytest.StashKey[tuple[str, int, int]]()
WIDTH_IN_A_FILE = 150  # columns of the table where there is no terminal


class Session:
    """Hooks and the state they share. Raises UnknownBackend for a backend it cannot find."""

    def __init__(self, asked: Sequence[str]) -> None:
        known = known_backends()
        self.not_installed = [] if asked else [name for name in known if known[name].missing]
        self.names = list(dict.fromkeys(asked)) or [name for name in known if name not in self.not_installed]
        self.loaded: dict[str, Backend] = {}
        self.scores: dict[str, Scores] = {}
        self.facts: dict[str, str] = {}
        self.not_tested: dict[str, str] = {}
        self.faults: dict[str, tuple[int, int]] = {}  # by family: killed, planted
        self.diagnosed: dict[str, tuple[int, int]] = {}  # by family: named by the diagnosis, planted
        self.failures: list[dict[str, Any]] = []  # as `Failure.to_json` makes them
        self.parallel = False
        for name in self.names:
            find(name)
            if name.partition(":")[0] not in BUILT_IN:  # its cells are told by importing it; others can wait
                self.backend(name)

    def backend(self, name: str) -> Backend:
        """The backend, its framework imported at the first call. Raises UnknownBackend when that fails."""
        if name not in self.loaded:
            self.loaded[name] = Backend(name, load(name))
        return self.loaded[name]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test on each backend in turn and, where it has a `cell`, on each cell of the backend."""
        if "known" in metafunc.fixturenames:
            return  # known_failures/excuse.py knows of which backends
        if {"backend", "cell"} <= set(metafunc.fixturenames):
            pairs = [(name, cell) for name in self.names for cell in self.cells(name)]
            metafunc.parametrize(("backend", "cell"), pairs, indirect=["backend"], scope="session")
        elif "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.names, indirect=True, scope="session")

    def cells(self, name: str) -> tuple[str, ...]:
        """The cells that a backend is tested on: the built-in ones have them all; others declare theirs."""
        return self.loaded[name].adapter.facts.cells if name in self.loaded else CELLS

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Skip a test that asks what its backend does not declare; fail one that compared nothing.

        The scores are sent with the test's report.
        """
        backend = backend_of(item)
        if backend is None:
            return (yield)
        backend.scores = Scores()
        try:
            if need := missing(item, backend.adapter.facts):
                pytest.skip(f"{backend.name} declares no {need}")
            result = yield
        finally:
            facts, scores = backend.adapter.facts, backend.scores
            item.stash[SCORES] = [backend.name, str(facts), facts.not_tested, scores.to_json()]
            item.user_properties += [("backend", backend.name), ("framework_version", str(facts.version))]
            figures = scores.total.numbers().items()
            item.user_properties += [(name, value) for name, value in figures if value is not None]
        if not backend.scores.compared:
            pytest.fail("no case was compared, so this test shows nothing", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Send a test's failures and scores with its report, from whichever process ran it.

        Other plugins' hooks, inside of this one, find them in the item's stash.
        """
        found = item.stash[FOUND] = findings(item, call)
        report = yield
        report.lockstep_failures = [failure.to_json() for failure in found]
        report.sections += [("lockstep", str(crash)) for crash in found if isinstance(crash, Crash)]
        if call.when == "call":
            report.lockstep_scores = item.stash.get(SCORES, None)
            report.lockstep_faults = item.stash.get(FAULTS, None)
            report.lockstep_diagnosed = item.stash.get(DIAGNOSED, None)
        return report

    @pytest.hookimpl(specname="pytest_runtest_makereport", tryfirst=True)
    def pytest_examine_failures(self, item: pytest.Item) -> None:
        """Look for causes before the message is made. Who interrupts that sees the message and ends the run.

        This comes when the cases are saved: a backend that is asked more may take the process with it.
        """
        budget = item.config.stash.setdefault(BUDGET, Budget())
        try:
            for failure in item.stash[FOUND]:
                failure.examine(budget)
        except KeyboardInterrupt:
            item.session.shouldstop = "while looking for a cause"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the scores, in the process that prints the summary."""
        self.failures += getattr(report, "lockstep_failures", [])
        if scored := getattr(report, "lockstep_scores", None):
            name, facts, not_tested, scores = scored
            self.scores.setdefault(name, Scores()).add_json(scores)
            self.facts[name], self.not_tested[name] = facts, not_tested
        if found := getattr(report, "lockstep_faults", None):
            family, killed, planted = found
            self.faults[family] = (killed, planted)
        if found := getattr(report, "lockstep_diagnosed", None):
            family, named, planted = found
            self.diagnosed[family] = (named, planted)

    def without_comparison(self, config: pytest.Config) -> list[str]:
        """List the backends whose tests compared no case; none in a replay, which has a rule of its own."""
        if config.getoption("--replay"):
            return []
        return [name for name, scores in self.scores.items() if not scores.compared]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run in which a backend compared nothing."""
        if hasattr(session.config, "workerinput"):  # a process of pytest-xdist's, which has some tests only
            return
        if self.without_comparison(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        self.parallel = bool(config.getoption("numprocesses", None))
        lines = [f"lockstep: backends {', '.join(self.names)}; {settings().max_examples} examples"]
        if self.not_installed:
            lines.append(f"lockstep: not installed, not tested: {', '.join(self.not_installed)}")
        return lines

    def pytest_report_collectionfinish(
        self, config: pytest.Config, items: Sequence[pytest.Item]
    ) -> list[str]:
        """Print versions, devices and settings of the backends that the collected tests use."""
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
            terminalreporter.write(render_table(scores, width))
            for name, by_layer in scores.items():
                if self.parallel:  # the header of a parallel run does not know them
                    terminalreporter.write_line(str(self.facts[name]))
                reasons = sum((score.reasons for score in by_layer.values()), Counter[str]())
                for reason, count in reasons.items():
                    terminalreporter.write_line(f"{name} refused {count}: {reason}")
                for why, count in sum((score.known for score in by_layer.values()), Counter[str]()).items():
                    terminalreporter.write_line(f"{name} fails as is known, in {count} cases: {why}")
                if self.not_tested[name]:
                    terminalreporter.write_line(f"{name} not tested on: {self.not_tested[name]}")
            for name in self.without_comparison(terminalreporter.config):
                terminalreporter.write_line(f"{name}: no case was compared, so this shows nothing", red=True)
            for name in self.not_installed:
                terminalreporter.write_line(f"{name} is not installed and was not tested")
        if self.failures:
            terminalreporter.section("lockstep: what is wrong")
            causes = Counter((failure["backend"], failure["cause"]) for failure in self.failures)
            for (name, cause), count in causes.most_common():
                terminalreporter.write_line(f"{name}, in {count} tests: {cause}")
        if self.faults or self.diagnosed:
            terminalreporter.section("lockstep: the suite against its faults")
        for rate, families in (("kill-rate", self.faults), ("diagnosed", self.diagnosed)):
            if families:
                found, planted = (sum(numbers) for numbers in zip(*families.values(), strict=True))
                terminalreporter.write_line(f"{rate}: {found} of {planted} faults ({found / planted:.1%})")


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
