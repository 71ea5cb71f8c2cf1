"""Losses: the cases in which a backend's process was lost, and how many there may be."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import reject

from rnn_lockstep.adapters import Case, Cotangents
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from rnn_lockstep.adapters.workers.supervised import Lost

CASES = 5  # in one test, after which no smaller one is looked for
SEARCH = 30.0  # seconds that such cases may take in one test, likewise
PATIENCE = 300.0  # seconds that they may take in a run, after which the backend is not asked any more

Answer = TypeVar("Answer")


class Losses:
    """The lost cases of a test, by their digests, and what those of the run have cost."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.begin()

    def begin(self) -> None:
        """Forget the cases of the test before."""
        self.cases: dict[str, str] = {}
        self.before = self.seconds

    @property
    def given_up(self) -> str:
        """The reason why the backend is not asked any more in this run; empty while it is."""
        if self.seconds < PATIENCE:
            return ""
        return (
            f"not run: its process was lost in {self.count} cases of this run, which took "
            f"{self.seconds:.0f} s; after {PATIENCE:.0f} s it is not asked any more"
        )

    def ask(self, case: Case, cotangents: Cotangents | None, call: Callable[[], Answer]) -> Answer:
        """Return what `call` does, which asks a backend. Raises Lost.

        A case that was lost is not run again in the same test: Hypothesis, which asks for it once more, is
        told the same. It may look for a smaller one a few times only; then it is told that there is none.
        """
        __tracebackhide__ = True
        digest = SavedCase(case, cotangents).digest if self.cases else ""
        if digest not in self.cases:
            if len(self.cases) >= CASES or self.seconds - self.before > SEARCH:
                reject()
            try:
                return call()
            except Lost as lost:
                self.count, self.seconds = self.count + 1, self.seconds + lost.seconds
                digest = SavedCase(case, cotangents).digest
                self.cases[digest] = str(lost)
        raise Lost(self.cases[digest])  # at one place, or Hypothesis would take it for another failure
