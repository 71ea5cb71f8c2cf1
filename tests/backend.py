"""A backend under test: runs cases, judges them and keeps the score."""

import time
from typing import Any

from hypothesis import note, reject
from hypothesis import strategies as st

from adapters import Adapter, Case, Refused, Trace
from adapters.compare import judge, run
from reference import Verdict
from tests.scoreboard import Scores
from tests.strategies import cases


class Backend:
    """Wraps an adapter for the suite. Every case that runs is counted in `scores`."""

    def __init__(self, name: str, adapter: Adapter) -> None:
        self.name = name
        self.adapter = adapter
        self.scores = Scores()

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"

    def cases(self, cell: str, shapes: str = "usual", **options: Any) -> st.SearchStrategy[Case]:
        """`tests.strategies.cases` of what the backend declares it can run."""
        return cases(cell, shapes, facts=self.adapter.facts, **options)

    def run(self, case: Case) -> Trace:
        """The backend's answer. A refusal is counted, and the example given up (a new one is drawn)."""
        __tracebackhide__ = True
        start = time.perf_counter()
        try:
            return run(self.adapter, case)
        except Refused as reason:
            self.scores.refused(case, str(reason))
            reject()
        finally:
            self.scores.spent(case, time.perf_counter() - start)

    def judge(self, case: Case, trace: Trace) -> Verdict:
        """The verdict on an answer, counted."""
        start = time.perf_counter()
        verdict = judge(self.adapter, case, trace)
        self.scores.spent(case, time.perf_counter() - start)
        self.scores.judged(verdict)
        return verdict

    def check(self, case: Case, trace: Trace | None = None, *, claim: str = "") -> Trace:
        """Fail the test unless `trace`, by default the backend's answer, is right for `case`.

        claim: what the test shows, when it is more than that the answer is right.
        """
        __tracebackhide__ = True
        if trace is None:
            trace = self.run(case)
        verdict = self.judge(case, trace)
        if verdict.status == "mismatch":
            about = f" ({claim})" if claim else ""
            raise AssertionError(f"{self.name}{about}: {verdict}")
        if verdict.status == "inconclusive":
            note(str(verdict))
        return trace
