"""A run that checks a port, which `--source` and `--target` collect instead of the suite."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters.models.files.table import FORMATS
from rnn_lockstep.adapters.models.options import parsed
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.lockstep import Question
from rnn_lockstep.adapters.port.verdict import RIGHT, UNUSABLE
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.inputs import SYNTAX

FOLDER = Path(__file__).parents[1] / "port"
QUESTION = pytest.StashKey[Question]()
# What a test leaves: the verdict's text and exit code, what reports tell of it, and how the weights differ.
VERDICT = pytest.StashKey[str]()
CODE = pytest.StashKey[int]()
FINDING = pytest.StashKey[dict[str, Any]]()
WEIGHTS = pytest.StashKey[str]()
USAGE = "needs --source FILE and --target FILE (or package.module:function); see the README, 'Check a port'"

OTHERS = (
    *("--backend", "--against", "--replay", "--save-cases", "--known-failures", "--shard"),
    "--merge-reports",
)


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options of `pytest tests/port`."""
    what = f"a model file ({', '.join(FORMATS)}), or package.module:name of a live model or what builds one"
    group.addoption("--source", metavar="MODEL", help=f"check a port of this model: {what}")
    group.addoption("--target", metavar="MODEL", help="the port: the same, or a function's name")
    group.addoption("--layer", metavar="NAME", help="the recurrent layer, where there are several")
    group.addoption("--source-layer", metavar="NAME", help="the source's, where it has another name")
    group.addoption("--target-layer", metavar="NAME", help="the target's, where it has another name")
    group.addoption(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="what a model file does not tell, for example activation=relu; repeatable",
    )
    group.addoption("--inputs", metavar="SPECIFICATION", help=f"what whole models take: {SYNTAX}")
    group.addoption("--batch", type=int, metavar="N", help="the only batch size that whole models take")
    group.addoption("--time", type=int, metavar="N", help="the only number of steps that whole models take")


def wanted(config: pytest.Config) -> bool:
    """Tell whether a port is to be checked. Raises pytest.UsageError where one of its ends is missing."""
    source, target = config.getoption("--source"), config.getoption("--target")
    if source and target:
        if others := [name for name in OTHERS if config.getoption(name)]:
            raise pytest.UsageError(f"checking a port goes with no {', '.join(others)}")
        return True
    paths = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    if source or target or any(path.resolve().is_relative_to(FOLDER) for path in paths):
        raise pytest.UsageError(f"checking a port {USAGE}")
    return False


def question_in(config: pytest.Config) -> Question:
    """The source and target that the options name, and what is asked of them. Raises pytest.UsageError."""
    names = ("layer", "source_layer", "target_layer", "inputs", "batch", "time")
    given = {name: config.getoption(f"--{name.replace('_', '-')}") for name in names}
    option = config.option  # paths become absolute, for pytest-xdist's processes too
    option.source, option.target = (located(end, config) for end in (option.source, option.target))
    if given["inputs"]:
        given["inputs"] = located(given["inputs"], config)
    try:
        options = parsed(config.getoption("--set"))
        question = Question(option.source, option.target, options=options, **given)
        if not isinstance(question.whole, WholePair):
            _ = question.pair  # read now: what is wrong with it is wrong usage
    except InvalidModel as error:
        raise pytest.UsageError(str(error)) from None
    return question


def located(given: str, config: pytest.Config) -> str:
    """A file's path from where pytest was started; anything else as it is."""
    path = config.invocation_params.dir / given
    return str(path) if os.path.exists(path) or ":" not in given else given


def register(config: pytest.Config) -> None:
    """Register what runs the check of a port, and what reports it. Raises pytest.UsageError."""
    reports = None
    if config.getoption("--lockstep-report"):
        from rnn_lockstep.tests.harness.report.port.plugin import PortReports

        reports = PortReports(config)
        config.pluginmanager.register(reports, "lockstep-port-reports")
    try:
        config.pluginmanager.register(PortRun(config), "lockstep-port")
    except pytest.UsageError as error:
        if reports:
            reports.unusable(error, UNUSABLE)
        raise


class PortRun:
    """A plugin that runs the tests of a port, and tells the verdict at the end, whichever it is."""

    def __init__(self, config: pytest.Config) -> None:
        config.stash[QUESTION] = question_in(config)
        config.args = [str(FOLDER / "port.py")]
        self.verdict = ""
        self.code = RIGHT

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        if report.when == "call":
            report.lockstep_verdict = item.stash.get(VERDICT, "")
            report.lockstep_code = item.stash.get(CODE, RIGHT)
            report.lockstep_finding = item.stash.get(FINDING, None)
            report.lockstep_weights = item.stash.get(WEIGHTS, "")
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:  # a failure shows it itself
            self.verdict += getattr(report, "lockstep_verdict", "")
        self.code = self.code or getattr(report, "lockstep_code", RIGHT)

    @pytest.hookimpl(tryfirst=True)  # before the summary, which is the terminal's part of it
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Give the verdict's exit code to a run that is right for pytest, or that came to no verdict."""
        if self.code == UNUSABLE or exitstatus == RIGHT:
            session.exitstatus = self.code

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.verdict:
            terminalreporter.section("lockstep: the port beside its source")
            terminalreporter.write_line(self.verdict)
