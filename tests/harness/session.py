"""A run of the suite, as a pytest plugin: its backends and their scores."""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.errors import Unsatisfiable

from rnn_lockstep.adapters import Adapter, UnknownBackend, find, known_backends, load
from rnn_lockstep.adapters.backends.contract import CELLS
from rnn_lockstep.adapters.backends.registry import BUILT_IN, NotMade
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.budget import BUDGET, Budget
from rnn_lockstep.tests.harness.failure import Crash
from rnn_lockstep.tests.harness.findings import FOUND, findings
from rnn_lockstep.tests.harness.needs import missing
from rnn_lockstep.tests.harness.scores import Scores, most_common
from rnn_lockstep.tests.harness.summary import write_summary

AT_ONCE = 4  # processes of backends that wait for their turn
SESSION = pytest.StashKey["Session"]()  # of a run that tests backends
# Where a test leaves its results; they travel in its report as plain data, from whichever process ran it.
SCORES = pytest.StashKey[list[Any]]()
FAULTS = pytest.StashKey[list[tuple[str, int, int]]]()
DIAGNOSED = pytest.StashKey[tuple[str, int, int]]()


# The tests of a cell that few have, in a run that names no backend: the others would take a minute for JAX.
FEW_TESTS: Mapping[str, Collection[str]] = {
    "peephole_lstm": ("test_every_step", "test_padded_batch", "test_gradients", "test_drift"),
}


class Session:
    """Hooks and the state they share."""

    def __init__(self, asked: Sequence[str], make: Callable[[str], Adapter] = load) -> None:
        """Name the backends that are asked for, or else those that are tested by default and installed.

        make: makes the adapter of a name, by default in this process.
        """
        known = {name: entry for name, entry in known_backends().items() if entry.by_default}
        self.asked = bool(asked)
        self.not_installed = [] if asked else [name for name in known if known[name].missing]
        self.names = list(dict.fromkeys(asked)) or [name for name in known if name not in self.not_installed]
        self.make = make
        self.loaded: dict[str, Backend] = {}
        self.broken: dict[str, str] = {}  # the backends that cannot be made, and why
        self.excused: frozenset[str] = frozenset()  # the backends of which failures are known
        self.not_run: Counter[str] = Counter()  # how many tests of each of them were skipped
        self.scores: dict[str, Scores] = {}
        self.facts: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.not_tested: dict[str, str] = {}
        self.faults: dict[str, tuple[int, int]] = {}  # by family: killed, planted
        self.diagnosed: dict[str, tuple[int, int]] = {}  # by family: named by the diagnosis, planted
        self.failures: list[dict[str, Any]] = []  # as `Failure.to_json` makes them
        self.guarantees: dict[
            str, list[dict[str, Any]]
        ] = {}  # of backends, as `guarantees.content` makes them
        self.parallel = False

    def look_up(self) -> None:
        """Find every backend, and make those whose cells are told by importing them.

        Raises UnknownBackend for one that there is not.
        """
        for name in self.names:
            here = name.partition("@")[0]
            with suppress(NotMade):
                find(name)
                if here not in BUILT_IN:  # its cells are told by importing it
                    self.backend(name)
                    if len(self.loaded) > AT_ONCE:
                        self.rest()

    def backend(self, name: str) -> Backend:
        """The backend, made at the first call. Raises UnknownBackend, or NotMade every time."""
        if name in self.broken:
            raise NotMade(self.broken[name])
        if name not in self.loaded:
            try:
                self.loaded[name] = Backend(name, self.make(name))
            except NotMade as error:
                self.broken[name] = str(error)
                raise
        return self.loaded[name]

    def rest(self) -> None:
        """End the processes of all backends until they are asked again."""
        for backend in self.loaded.values():
            backend.rest()

    def close(self) -> None:
        """End the processes of all backends, for good."""
        for backend in self.loaded.values():
            backend.close()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test on each backend in turn and, where it has a `cell`, on each cell of the backend.

        Where no backend is named, a cell that few have is in few tests.

        Tests have their whole names, of which pytest would cut long ones, as those of name@PLACE.
        """
        if "known" in metafunc.fixturenames:
            return  # known_failures/excuse.py knows of which backends
        if {"backend", "cell"} <= set(metafunc.fixturenames):
            pairs = [(name, cell) for name in self.names for cell in self.cells(name)]
            if not self.asked:
                of_test = metafunc.function.__name__
                pairs = [pair for pair in pairs if of_test in FEW_TESTS.get(pair[1], (of_test,))]
            ids = ["-".join(pair) for pair in pairs]
            metafunc.parametrize(("backend", "cell"), pairs, ids=ids, indirect=["backend"], scope="session")
        elif "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.names, ids=self.names, indirect=True, scope="session")

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
        except Unsatisfiable:  # all that Hypothesis drew was given up
            total = backend.scores.total
            if total.known:
                pytest.xfail(f"every case fails as is known: {next(iter(total.known))}")
            if not total.reasons:
                raise
            pytest.fail(all_refused(backend.name, total.reasons), pytrace=False)
        finally:
            facts, scores = backend.adapter.facts, backend.scores
            texts = [str(facts), facts.version, facts.not_tested]
            item.stash[SCORES] = [backend.name, *texts, scores.to_json()]
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
            name, facts, version, not_tested, scores = scored
            self.scores.setdefault(name, Scores()).add_json(scores)
            self.facts[name], self.versions[name], self.not_tested[name] = facts, version, not_tested
        for family, killed, planted in getattr(report, "lockstep_faults", None) or ():
            self.faults[family] = (killed, planted)
        if found := getattr(report, "lockstep_diagnosed", None):
            family, named, planted = found
            self.diagnosed[family] = (named, planted)

    def without_comparison(self, config: pytest.Config) -> list[str]:
        """List the backends of which nothing was shown: no case that matches and none that does not.

        None in a replay, which has a rule of its own, nor in a shard: that is told of all together.
        """
        if config.getoption("--replay") or config.getoption("--shard"):
            return []
        return [name for name, scores in self.scores.items() if not scores.total.shown]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run in which nothing was shown of a backend."""
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
        lines = []
        for name in self.names:
            if name in used:
                try:
                    with quiet(config):
                        lines.append(f"lockstep: {self.backend(name).adapter.facts}")
                except NotMade as error:
                    lines.append(f"lockstep: {error}")
                except UnknownBackend as error:
                    raise pytest.UsageError(str(error)) from None
        return lines

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        write_summary(self, terminalreporter)


def all_refused(name: str, reasons: Counter[str]) -> str:
    """The message of a test all of whose cases a backend has refused. reasons: how often, by the reason."""
    first, more = most_common(reasons, 1)
    others = f" (and for other reasons, {more} times)" if more else ""
    refused = f"{name} refused every case of this test: {next(iter(first))}{others}"
    return f"{refused}; tests of what its facts do not declare are skipped"


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
