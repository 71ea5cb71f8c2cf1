"""A shard of a run, `--shard 3/8`: a pytest plugin that runs the third of eight parts of the tests.

Which part a test is in depends on the names of all tests and on nothing else. All parts are the whole, and
each has as many tests of a backend as any other, or one more or less.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from rnn_lockstep.tests.harness.processes import name_of
from rnn_lockstep.tests.harness.report.part import part_content

OF_A_PROCESS = ("node", "worker_id", "testrun_uid", "item_index")  # pytest-xdist's, in a test's report


class Shard:
    """Hooks of --shard. Raises pytest.UsageError for anything but NUMBER/OF.

    tests: those of this shard.  suite: what tells all tests of the run from those of another.
    reports: of the tests that were run, as they would come from a process of pytest-xdist's, to be merged.
    """

    def __init__(self, config: pytest.Config, given: str, backends: Sequence[str]) -> None:
        self.config = config
        numbers = re.fullmatch(r"(\d+)/(\d+)", given)
        self.number, self.of = map(int, numbers.groups()) if numbers else (0, 0)
        if not 1 <= self.number <= self.of:
            raise pytest.UsageError(f"--shard is {given!r}, needs one of several: 1/8 to 8/8")
        self.backends = backends
        self.suite, self.total = "", 0
        self.tests: list[str] = []
        self.reports: list[dict[str, Any]] = []

    @pytest.hookimpl(trylast=True)  # of what -k and others have left
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the items of this shard: one in so many, a backend after the other."""
        ordered = sorted(items, key=lambda item: (name_of(item), item.nodeid))
        self.total = len(ordered)
        self.suite = hashlib.sha256(json.dumps([item.nodeid for item in ordered]).encode()).hexdigest()
        self.tests = [item.nodeid for item in ordered[self.number - 1 :: self.of]]
        mine = set(self.tests)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in mine])
        items[:] = [item for item in items if item.nodeid in mine]
        if hasattr(config, "workeroutput"):  # a process of pytest-xdist's: the main one collects nothing
            config.workeroutput["lockstep_shard"] = [self.suite, self.total, self.tests]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn what a process of pytest-xdist's has collected."""
        if found := getattr(node, "workeroutput", {}).get("lockstep_shard"):
            self.suite, self.total, self.tests = found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test's report as plain data."""
        self.keep(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep that a file could not be read."""
        if report.failed:
            self.keep(report)

    def keep(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        data = {name: value for name, value in data.items() if name not in OF_A_PROCESS}
        self.reports.append(json.loads(json.dumps(data, default=str)))

    def content(self, exit_status: int) -> dict[str, Any]:
        """Give what a report has more of a shard, see schema.json."""
        shard = {"number": self.number, "exit_status": exit_status, "tests": self.tests}
        return {"part": part_content(self.of, self.suite, self.backends, [shard], self.reports)}

    @pytest.hookimpl(trylast=True)  # after the table
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(
            f"lockstep: shard {self.number}/{self.of}: {len(self.tests)} of {self.total} tests; no others ran"
        )
