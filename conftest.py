"""Options, profiles and the `backend` fixture. The hooks that print are in tests/harness/session.py."""

import os
import sys

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings

from rnn_lockstep.adapters import UnknownBackend
from rnn_lockstep.tests.harness import port_run
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.plugins import register
from rnn_lockstep.tests.harness.session import Session
from rnn_lockstep.tests.harness.vectors import CASES_A_TEST

DEFAULT_EXAMPLES = 200
SESSION = pytest.StashKey[Session]()

settings.register_profile(
    "lockstep",
    deadline=None,
    max_examples=DEFAULT_EXAMPLES,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # the verdict explains
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,  # the failure's own message tells of the example
    suppress_health_check=[HealthCheck.filter_too_much],  # refusals are counted and shown
)
settings.register_profile("ci", settings.get_profile("lockstep"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "lockstep")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lockstep")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a backend to test: a known name, name:tag or package.module:Class; repeatable "
        "(default: every known one that is installed)",
    )
    group.addoption(
        "--max-examples",
        type=int,
        metavar="N",
        help=f"cases drawn in a parity test; some tests draw a fraction (default: {DEFAULT_EXAMPLES})",
    )
    group.addoption(
        "--lockstep-report",
        action="append",
        default=[],
        metavar="PATH",
        help="write a report at the end: a page (.html), data (.json) or a job's summary (.md); repeatable",
    )
    group.addoption(
        "--replay",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="run these saved cases and nothing else: files, as failures are saved in .lockstep/, or "
        "folders, of which every file that manifest.json lists must be there and unchanged",
    )
    group.addoption(
        "--save-cases",
        metavar="DIR",
        help="write cases with what any backend should answer, and manifest.json: of every test of a "
        f"backend those of the first {CASES_A_TEST} cases that match and whose bound is sharp",
    )
    group.addoption(
        "--known-failures",
        metavar="FILE",
        help="failures that are known (TOML): each must still fail, as its case shows; others like it pass",
    )
    group.addoption(
        "--write-known-failures",
        metavar="FILE",
        help="draft such a file of what fails in this run",
    )
    port_run.add_options(parser.getgroup("lockstep: check a port"))


@pytest.hookimpl(trylast=True)  # after Hypothesis has loaded the profile that was asked for
def pytest_configure(config: pytest.Config) -> None:
    examples = config.getoption("--max-examples")
    if examples is not None:
        if examples < 1:
            raise pytest.UsageError(f"--max-examples is {examples}, needs at least 1")
        settings.register_profile("lockstep-examples", settings(), max_examples=examples)
        settings.load_profile("lockstep-examples")
    if hasattr(config, "workerinput"):  # one of pytest-xdist's processes, which share the processor
        threads = max(1, (os.cpu_count() or 1) // config.workerinput["workercount"])
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    sys.path.insert(0, str(config.invocation_params.dir))  # where --backend module:Class is looked up
    if port_run.wanted(config):
        config.pluginmanager.register(port_run.PortRun(config), "lockstep-port")
        return
    try:
        config.stash[SESSION] = Session(config.getoption("--backend"))
    except UnknownBackend as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(config.stash[SESSION], "lockstep-session")
    register(config, config.stash[SESSION])


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's, which may not be installed
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Under `-n`, keep a backend's tests in one process: import and trace its framework once."""
    if config.getoption("dist") != "load" or SESSION not in config.stash:  # another way, or no backends
        return None
    from rnn_lockstep.tests.harness.scheduling import ByBackend

    return ByBackend(config, log, config.stash[SESSION].names)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend under test in turn."""
    try:
        return request.config.stash[SESSION].backend(request.param)
    except UnknownBackend as error:
        reason = str(error)
    pytest.fail(reason, pytrace=False)
