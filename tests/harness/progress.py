"""A line below pytest's own that says what a long run is doing, rewritten as cases are judged."""

import os
import sys
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from rnn_lockstep.tests.harness.backend import backend_of, watching
from rnn_lockstep.tests.harness.scores import Scores

INTERVAL = 0.2  # seconds between two updates


def shows_progress(config: pytest.Config) -> bool:
    """Tell whether standard output is a terminal that can move its cursor, and not to be kept short."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and config.get_verbosity() > -2


class Progress:
    """Hooks around each test or, under pytest-xdist, around the reports that come in."""

    def __init__(self, config: pytest.Config) -> None:
        self.column: Callable[[], int] = lambda: config.get_terminal_writer().width_of_current_line
        self.tests_done = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        self.session, self.run_started = session, time.perf_counter()
        self.count(0)
        with open(os.dup(sys.stdout.fileno()), "w") as self.terminal:  # pytest captures the other in a test
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        settings = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
        self.count(settings.max_examples if settings else 0)
        with watching(backend_of(item), lambda result: self.add_cases(1, result.verdict.ratio, item.name)):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        print("\x1b[J", end="", file=self.terminal, flush=True)  # clear where pytest goes on writing
        yield
        self.tests_done += report.when == "teardown"
        if hasattr(report, "node"):
            scores = Scores()
            scores.add_json(report.lockstep_scores[-1] if getattr(report, "lockstep_scores", None) else {})
            self.drawn = 0.0  # what was cleared is shown again
            self.add_cases(scores.compared, scores.total.worst, "all processes")

    def count(self, planned: int) -> None:
        """Count anew. planned: about how many cases there will be, 0 where nobody knows."""
        self.planned, self.cases, self.worst = planned, 0, 0.0
        self.started = self.drawn = time.perf_counter()  # so that a short test shows nothing

    def add_cases(self, cases: int, worst: float, where: str) -> None:
        self.cases, self.worst = self.cases + cases, max(self.worst, worst)
        if time.perf_counter() - self.drawn > INTERVAL:
            self.drawn = time.perf_counter()
            width = os.get_terminal_size(self.terminal.fileno()).columns
            text = f"{', '.join(self.figures())}; {where}"[: width - 1]
            back = "\x1b[A\r" + (f"\x1b[{self.column()}C" if self.column() else "")
            print(f"\n\x1b[K{text}{back}", end="", file=self.terminal, flush=True)

    def figures(self) -> Iterator[str]:
        spent, share = self.drawn - self.started, self.cases / self.planned if self.planned else 0.0
        yield f"{self.cases:,} of {self.planned:,} cases" if self.planned else f"{self.cases:,} cases"
        yield f"{self.cases / spent:.0f}/s"
        yield f"worst/bound {self.worst:.3g}"
        if self.worst > 1 and self.planned:
            yield "looking for the smallest mismatch"
        elif 0 < share < 1:
            yield f"{spent / share - spent:.0f} s left"
        if done := self.tests_done + min(share, 1.0):
            left = (self.drawn - self.run_started) * (self.session.testscollected / done - 1)
            yield f"run: {left / 60:.1f} min left"
