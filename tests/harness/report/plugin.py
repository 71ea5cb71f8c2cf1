"""Reports of a run: a pytest plugin that collects what they need and writes them when the run ends."""

import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings

from rnn_lockstep.adapters.one_line import in_one_line, printable, printable_lines
from rnn_lockstep.tests.harness.backend import Backend, backend_of, watching
from rnn_lockstep.tests.harness.report.changes import Change, changes, told
from rnn_lockstep.tests.harness.report.content import VERSION, Content, backend_content, grouped, platform
from rnn_lockstep.tests.harness.report.files import targets, write
from rnn_lockstep.tests.harness.report.records import NAME as RECORDS
from rnn_lockstep.tests.harness.report.records import Records
from rnn_lockstep.tests.harness.report.trends import Trends
from rnn_lockstep.tests.harness.session import Session

TRENDS = pytest.StashKey[Trends]()


class Reports:
    """Hooks of --lockstep-report. Raises pytest.UsageError for a path it could not write in the end.

    A process of pytest-xdist's only sends what it measured with each test's report.
    """

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.session = session
        worker = hasattr(config, "workerinput")
        paths = [] if worker or config.option.collectonly else config.getoption("--lockstep-report")
        self.targets = targets(paths, config.invocation_params.dir)
        self.part = config.pluginmanager.get_plugin("lockstep-part")  # of a whole run, where it is one
        self.started = time.time()
        self.trends: defaultdict[str, Trends] = defaultdict(Trends)
        self.outcomes: Counter[str] = Counter(passed=0, failed=0, skipped=0)
        self.errors: list[dict[str, str]] = []
        self.said: list[str] = []
        self.fingerprints: dict[str, dict[str, str]] = {}
        self.earlier: Content | None = None  # the report that this run is set beside
        self.changes: list[Change] = []
        self.records: Records = config.pluginmanager.getplugin(RECORDS)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        trends = item.stash[TRENDS] = Trends()
        with watching(backend_of(item), lambda result: trends.add_verdict(result.verdict)):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        report = yield
        if call.when == "call" and (backend := backend_of(item)):
            report.lockstep_trends = [backend.name, item.stash[TRENDS].to_json()]
        if call.when == "teardown":  # of the last test of a backend
            report.lockstep_fingerprints = dict(self.fingerprints)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1
        if measured := getattr(report, "lockstep_trends", None):
            name, trends = measured
            self.trends[name].add_json(trends)
        self.fingerprints |= getattr(report, "lockstep_fingerprints", {})
        if report.failed and not getattr(report, "lockstep_failures", []):
            crash = getattr(report.longrepr, "reprcrash", None)
            self.add_error(report, crash.message if crash else report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.add_error(report, report.longrepr)

    def ask_fingerprint(self, backend: Backend) -> None:
        """Ask a backend for its fingerprint, once, while it is there."""
        if backend.name not in self.fingerprints:
            self.fingerprints[backend.name] = backend.fingerprint()

    def add_error(self, report: pytest.TestReport | pytest.CollectReport, message: object) -> None:
        """Keep what is wrong with a test or a file beside wrong answers."""
        self.errors.append({"test": report.nodeid, "message": printable_lines(message)})

    @pytest.hookimpl(trylast=True)  # others may still fail the run
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, also of a run that failed or was interrupted."""
        content = self.content(int(session.exitstatus)) if self.targets or self.earlier else {}
        if self.earlier:
            self.changes = content["against"] = changes(self.earlier, content)
        for path in self.targets:
            try:
                write(path, content)
                self.said.append(f"report: {path}")
            except OSError as error:
                self.said.append(f"report {printable(path)} cannot be written: {in_one_line(error)}")
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self.said:
            terminalreporter.write_line(f"lockstep: {line}")

    @pytest.hookimpl(specname="pytest_terminal_summary", wrapper=True, tryfirst=True)
    def pytest_tell_changes(self, terminalreporter: Any) -> Iterator[None]:
        """Tell what has changed since the earlier run, below all else."""
        yield
        for line in (line for change in self.changes for line in told(change)):
            terminalreporter.write_line(f"lockstep: {line}")

    def content(self, exit_status: int) -> Content:
        """Give the report's content, as schema.json describes it."""
        of = self.session
        return {
            "lockstep_report": VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "exit_status": exit_status,
            "max_examples": settings().max_examples,
            "same_cases": settings().derandomize,
            "platform": platform(),
            "tests": dict(self.outcomes),
            "backends": [
                {
                    **backend_content(
                        name,
                        of.facts[name],
                        of.not_tested[name],
                        of.scores[name],
                        self.trends[name],
                        of.guarantees.get(name, []),
                        self.fingerprints.get(name),
                    ),
                    "version": of.versions[name],
                    **self.records.content(name, of.versions[name]),
                }
                for name in sorted(of.scores, key=of.names.index)
            ],
            "not_installed": of.not_installed,
            "failures": grouped(of.failures),
            "errors": self.errors,
            "faults": [
                {"family": family, "killed": killed, "planted": planted}
                for family, (killed, planted) in of.faults.items()
            ],
            "diagnosed": [
                {"family": family, "named": named, "planted": planted}
                for family, (named, planted) in of.diagnosed.items()
            ],
            **(self.part.content(exit_status) if self.part else {}),
        }
