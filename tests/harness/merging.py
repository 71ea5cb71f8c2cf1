"""Reports of shards, merged into one: `--merge-reports`, which runs no test.

The tests' reports that the shards have kept come in as they do from the processes of pytest-xdist, so that
all is added up, shown and written by what does it in any run.
"""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from math import inf
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.tests.harness import anywhere
from rnn_lockstep.tests.harness.report.part import lacks, part_content
from rnn_lockstep.tests.harness.report.reading import InvalidReport, read_report

FINE = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)  # a shard may have no tests
Report = dict[str, Any]  # as tests/harness/report/schema.json describes it


def main(arguments: Sequence[str]) -> int:
    """Merge reports, as a command, and return pytest's exit code: 2 where they are not the whole run."""
    parser = argparse.ArgumentParser(prog="rnn-lockstep merge-reports", description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="what --lockstep-report NAME.json wrote")
    parser.add_argument(
        "--to", action="append", default=[], metavar="PATH", help="the whole: .json, .html or .md; repeatable"
    )
    given = parser.parse_args(arguments)
    options = [f"--rootdir={Path.cwd()}"]  # tests are named as where they ran
    options += [f"--merge-reports={path}" for path in given.reports]
    return anywhere.main([*options, *(f"--lockstep-report={path}" for path in given.to)])


class Merging:
    """Hooks of --merge-reports. Raises pytest.UsageError for reports that do not belong together."""

    def __init__(self, paths: Sequence[str], folder: Path) -> None:
        self.found = {path: read(folder / path, path) for path in dict.fromkeys(paths)}
        first = next(iter(self.found))
        for path in self.found:
            if problem := self.difference(first, path):
                raise pytest.UsageError(f"{printable(path)} and {printable(first)} {problem}")
        parts = [content["part"] for content in self.found.values()]
        self.shards = sorted((s for part in parts for s in part["shards"]), key=lambda s: int(s["number"]))
        numbers = [shard["number"] for shard in self.shards]
        if twice := {number for number in numbers if numbers.count(number) > 1}:
            raise pytest.UsageError(f"shard {min(twice)} is there more than once")
        self.reports = [report for part in parts for report in part["reports"]]
        one = parts[0]
        self.part = part_content(one["of"], one["suite"], one["backends"], self.shards, self.reports)
        self.backends: list[str] = one["backends"]
        self.max_examples: int = self.found[first]["max_examples"]
        installed = [set(content["not_installed"]) for content in self.found.values()]
        self.not_installed = sorted(set.union(*installed))

    def difference(self, first: str, path: str) -> str:
        """Tell what keeps two reports from being of the same run; empty where nothing does."""
        one, other = self.found[first], self.found[path]
        if any(one["part"][name] != other["part"][name] for name in ("of", "suite", "backends")):
            return "are of different runs: they have other tests, other backends or another number of shards"
        if one["max_examples"] != other["max_examples"]:
            return "are of different runs: they have another --max-examples"
        facts = {backend["name"]: backend["facts"] for backend in one["backends"]}
        for backend in other["backends"]:
            if facts.get(backend["name"], backend["facts"]) != backend["facts"]:
                return f"tested different things: {backend['facts']}, and {facts[backend['name']]}"
        return ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        """Collect nothing; all tests are known."""
        session.items = []
        session.testscollected = len({report["nodeid"] for report in self.reports})
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Let the reports come in."""
        for data in self.reports:
            of_test = data["$report_type"] == "TestReport"
            hook = session.ihook.pytest_runtest_logreport if of_test else session.ihook.pytest_collectreport
            read_back = session.ihook.pytest_report_from_serializable
            hook(report=read_back(config=session.config, data=restored(data)))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a shard did, whatever for, and where this is not the whole run."""
        others = [shard["exit_status"] for shard in self.shards if shard["exit_status"] not in FINE]
        if session.exitstatus in FINE and (others or lacks(self.part)):
            session.exitstatus = max(others, default=int(pytest.ExitCode.INTERRUPTED))

    def content(self, exit_status: int) -> dict[str, Any]:
        """Give what the report has more, or otherwise, than that of a run."""
        seconds = round(sum(content["seconds"] for content in self.found.values()), 1)
        return {"part": self.part, "seconds": seconds, "not_installed": self.not_installed}

    @pytest.hookimpl(trylast=True)  # after the table
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what is missing, and which shards have failed."""
        count = f"{len(self.shards)} of {self.part['of']} shards"
        terminalreporter.write_line(f"lockstep: merged {count}, {len(self.found)} reports")
        for shard in self.shards:
            if shard["exit_status"] not in FINE:
                how = pytest.ExitCode(shard["exit_status"]).name.lower().replace("_", " ")
                terminalreporter.write_line(f"lockstep: shard {shard['number']}: {how}", red=True)
        if missing := lacks(self.part):
            terminalreporter.write_line(f"lockstep: this is not the whole run: {missing}", red=True)
        for test in self.part["not_run"]:
            terminalreporter.write_line(f"lockstep: not run: {test}")


def read(file: Path, path: str) -> Report:
    """Read the report of a shard. Raises pytest.UsageError."""
    try:
        content = read_report(file)
    except InvalidReport as error:
        raise pytest.UsageError(str(error)) from None
    if (part := content.get("part")) is None:
        raise pytest.UsageError(f"{printable(path)} is not the report of a run with --shard")
    if not part["suite"]:
        raise pytest.UsageError(f"{printable(path)} is of a shard that ended before it had any tests")
    return content


def restored(data: Report) -> Report:
    """A copy of a report, in which pytest may write, with the numbers that JSON had no word for."""
    return {name: infinite(v) if name.startswith("lockstep_") else deepcopy(v) for name, v in data.items()}


def infinite(value: Any) -> Any:
    """Put back the infinite numbers that a report has in words."""
    if isinstance(value, dict):
        return {key: infinite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [infinite(each) for each in value]
    return inf if value == "Infinity" else value
