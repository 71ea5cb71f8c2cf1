"""The harness as a pytest plugin: its options, its fixture `backend`, and what a run does with them.

The root conftest.py loads it in a clone, `rnn-lockstep test` anywhere else.
"""

import os
import sys
from collections.abc import Iterator

import pytest

from rnn_lockstep.adapters import UnknownBackend
from rnn_lockstep.tests.harness import anywhere, port_run
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.interruption import Interruption
from rnn_lockstep.tests.harness.merging import Merging
from rnn_lockstep.tests.harness.options import add_options
from rnn_lockstep.tests.harness.profiles import draw_examples
from rnn_lockstep.tests.harness.registration import maker, register
from rnn_lockstep.tests.harness.session import SESSION, Session

WITHOUT_TESTS = ("--shard", "--replay", "--backend", "--save-cases", "numprocesses")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the harness's options to pytest's."""
    add_options(parser)


@pytest.hookimpl(trylast=True)  # after Hypothesis has loaded the profile that was asked for
def pytest_configure(config: pytest.Config) -> None:
    """Set up a run that checks a port, or else one that tests backends."""
    config.addinivalue_line("markers", "needs(*names): what a backend must declare to be asked this test")
    draw_examples(config.getoption("--max-examples"))
    if processes := config.getoption("numprocesses", None):  # pytest-xdist's, not started yet
        threads = max(1, (os.cpu_count() or 1) // processes)  # as they share the processor
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    sys.path.insert(0, str(config.invocation_params.dir))  # where --backend module:Class is looked up
    if anywhere.is_anywhere(config):
        anywhere.find_tests(config)
    config.pluginmanager.register(Interruption(config), "lockstep-interruption")
    if port_run.wanted(config):
        port_run.register(config)
        return
    if paths := config.getoption("--merge-reports"):
        merge(config, paths)
        return
    session = config.stash[SESSION] = Session(config.getoption("--backend"), maker(config))
    try:
        session.look_up()
    except UnknownBackend as error:
        raise pytest.UsageError(str(error)) from None
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        session.rest()  # each backend is tested in one of pytest-xdist's processes only
    config.pluginmanager.register(session, "lockstep-session")
    register(config, session)


def merge(config: pytest.Config, paths: list[str]) -> None:
    """Set up a run of no tests, into which the reports of shards come. Raises pytest.UsageError."""
    if others := [name for name in WITHOUT_TESTS if config.getoption(name, None)]:
        raise pytest.UsageError(f"--merge-reports runs nothing, and goes with no {', '.join(others)}")
    merging = Merging(paths, config.invocation_params.dir)
    draw_examples(merging.max_examples)
    session = config.stash[SESSION] = Session(merging.backends)
    config.pluginmanager.register(merging, "lockstep-part")
    config.pluginmanager.register(session, "lockstep-session")
    register(config, session)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's, which may not be installed
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep a backend's tests in one process under `-n`: its framework is imported and traced once."""
    if config.getoption("dist") != "load" or SESSION not in config.stash:  # another way, or no backends
        return None
    from rnn_lockstep.tests.harness.scheduling import ByBackend

    names = [name for name in config.stash[SESSION].names if name != "numpy"]  # which is quick anywhere
    return ByBackend(config, log, names)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend under test in turn; its process rests when the next has its turn.

    Fails the test where the backend cannot be made.
    """
    try:
        backend = request.config.stash[SESSION].backend(request.param)
    except UnknownBackend as error:
        reason = str(error)
    else:
        yield backend
        if reports := request.config.pluginmanager.get_plugin("lockstep-report"):
            reports.ask_fingerprint(backend)  # after all tests: it may be one that fails at its first calls
        backend.rest()
        return
    pytest.fail(reason, pytrace=False)
