"""Reports of the check of a port: a pytest plugin that writes them when the run ends."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from rnn_lockstep.adapters.one_line import in_one_line, printable, printable_lines
from rnn_lockstep.tests.harness.report.as_json import as_json
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.files import Forms, targets, write
from rnn_lockstep.tests.harness.report.port.content import NOT_COMPARED, finding, unusable, with_weights
from rnn_lockstep.tests.harness.report.port.markdown import markdown
from rnn_lockstep.tests.harness.report.port.page import page

FORMS: Forms = {".html": page, ".json": as_json, ".md": markdown}
ASKED = ("source", "target", "layer", "source_layer", "target_layer", "set", "inputs", "batch", "time")
VERSION = 1  # of the form of a port's report, see schema.json beside this


class PortReports:
    """Hooks of --lockstep-report in the check of a port.

    Raises pytest.UsageError for a path that it could not write in the end.
    """

    def __init__(self, config: pytest.Config) -> None:
        worker = hasattr(config, "workerinput")
        paths = [] if worker or config.option.collectonly else config.getoption("--lockstep-report")
        self.targets = targets(paths, config.invocation_params.dir)
        self.started = time.time()
        self.asked = {name: asked(config.getoption(f"--{name.replace('_', '-')}")) for name in ASKED}
        self.asked |= {"max_examples": config.getoption("--max-examples"), "seed": 0}
        self.finding: dict[str, Any] = {}
        self.weights = ""
        self.errors: list[dict[str, str]] = []
        self.said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test found, in whichever process it ran."""
        found, weights = getattr(report, "lockstep_finding", None), getattr(report, "lockstep_weights", "")
        self.finding, self.weights = found or self.finding, weights or self.weights
        if report.failed and not (found or weights):
            crash = getattr(report.longrepr, "reprcrash", None)
            message = printable_lines(crash.message if crash else report.longrepr)
            self.errors.append({"test": report.nodeid, "message": message})

    def unusable(self, error: pytest.UsageError, code: int) -> None:
        """Write the reports of a run that ends before its tests, as a model cannot be read."""
        self.finding = unusable(error, self.asked["source"], self.asked["target"])
        self.write(code)

    @pytest.hookimpl(trylast=True)  # after the verdict's exit code is known
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, also of a run that failed or was interrupted."""
        if not self.write(int(session.exitstatus)):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def write(self, exit_status: int) -> bool:
        """Write every report; returns whether all could be."""
        content = self.content(exit_status) if self.targets else {}
        for path in self.targets:
            try:
                write(path, content, FORMS)
                self.said.append(f"report: {path}")
            except OSError as error:
                self.said.append(f"report {printable(path)} cannot be written: {in_one_line(error)}")
        return all(line.startswith("report: ") for line in self.said)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell where the reports are."""
        for line in self.said:
            terminalreporter.write_line(f"lockstep: {line}")

    def content(self, exit_status: int) -> Content:
        """The report's content, as schema.json describes it."""
        why = self.errors[0]["message"].partition("\n")[0] if self.errors else "the run ended before"
        nothing = finding(NOT_COMPARED, f"{NOT_COMPARED}: {why}", self.asked["source"], self.asked["target"])
        return {
            "lockstep_report": VERSION,
            "kind": "port",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "exit_status": exit_status,
            "asked": self.asked,
            **with_weights(self.finding or nothing, self.weights),
            "errors": self.errors,
        }


def asked(value: Any) -> Any:
    """What an option was given, printable."""
    if isinstance(value, list):
        return list(map(printable, value))
    return printable(value) if isinstance(value, str) else value
