"""A backend under test: runs cases, judges them and keeps the score."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import currently_in_test_context, note, reject
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from rnn_lockstep.adapters import Adapter, Case, Cotangents, Refused, Trace
from rnn_lockstep.adapters.backends.compare import judge, judge_gradients, judge_training, run, run_gradients
from rnn_lockstep.adapters.backends.fingerprint import fingerprint
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.workers.process import Process
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.adapters.workers.watched import Watched
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.check.drift import Drift
from rnn_lockstep.reference.check.guarantees import Guarantees
from rnn_lockstep.reference.oracle.training import loss_cotangents, trained, weights_of
from rnn_lockstep.reference.oracle.validation import Array
from rnn_lockstep.tests.harness.drawing.strategies import cases
from rnn_lockstep.tests.harness.failure import Drifted, Failure
from rnn_lockstep.tests.harness.losses import Losses
from rnn_lockstep.tests.harness.scores import Scores

FINGERPRINT = 10.0  # seconds for a case of it, in a process of its own
Watch = Callable[[Failure], None]
Answer = TypeVar("Answer")


class Listener(Protocol):
    """One who is told of every case of a test, as `report.record.Record` is."""

    def answered(self, case: Case, cotangents: Cotangents | None, answer: Any) -> None:
        """Hear of an answer that is not judged yet."""

    def ended(self, case: Case, of: str, status: str) -> None:
        """Hear what became of a case: its verdict's status, "known", "refused", "wrong" where it raised."""


class Backend:
    """An adapter wrapped for the suite. Every case that runs is counted in `scores`.

    adapter: one in a process of its own or, in this process, one that is watched.
    losses: the cases in which its process was lost.
    asked: the case, and cotangents where gradients were asked for, that it was given last.
    watchers: each is shown everything that a test is judged by.
    excused: which known failure a failure of a case is, in words, by the error that it raised or by what was
    found in its answer; empty where it is none.
    known: how many failures it has excused.
    guarantees: where it is kept what matches in a test of drift; None where nobody asks.
    listener: who is told of every case; likewise.
    """

    def __init__(self, name: str, adapter: Adapter) -> None:
        self.name = name
        self.adapter = adapter if isinstance(adapter, Supervised) else Watched(adapter)
        self.losses = Losses()
        self.scores = Scores()
        self.asked: tuple[Case, Cotangents | None] | None = None
        self.watchers: list[Watch] = []
        self.excused: Callable[[Case, Failure | BaseException], str] | None = None
        self.known = 0
        self.guarantees: Guarantees | None = None
        self.listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"

    def begin(self) -> None:
        """Forget what the test before has left."""
        self.asked = None
        self.losses.begin()
        self.adapter.complaints.clear()
        self.printed()

    def printed(self) -> str:
        """The text that the backend's process has printed since this was called last."""
        return self.adapter.printed() if isinstance(self.adapter, Supervised) else ""

    def fingerprint(self) -> dict[str, str]:
        """Ask what the backend's arithmetic looks like, see `adapters.backends.fingerprint`.

        What it does beside answering is no test's. Nothing is asked where too many cases were lost.
        """
        if self.losses.given_up:
            return {}
        limited = self.adapter.limited(FINGERPRINT) if isinstance(self.adapter, Supervised) else nullcontext()
        with limited:
            found = fingerprint(self.adapter)
        self.adapter.warned.clear()
        self.begin()
        return found

    def rest(self) -> None:
        """End the backend's process, if it has one, until it is asked again."""
        if isinstance(self.adapter, Supervised):
            self.adapter.rest()

    def close(self) -> None:
        """End the backend's process, if it has one, for good."""
        if isinstance(self.adapter, Supervised):
            self.adapter.close()

    def cases(self, cell: str, shapes: str = "usual", **options: Any) -> st.SearchStrategy[Case]:
        """Draw cases of what the backend declares, by `tests.harness.drawing.strategies.cases`."""
        return cases(cell, shapes, facts=self.adapter.facts, **options)

    def stacks(self, cell: str, **options: Any) -> st.SearchStrategy[Case]:
        """Draw several layers and directions, where forms cost much a few of them in small shapes."""
        few = self.adapter.facts.compiles
        shapes, variants = ("few stacks", "differentiated") if few else ("stacked", "stacked")
        return self.cases(cell, shapes, variants=variants, pairs=False, **options)

    def any_cases(self, cell: str) -> st.SearchStrategy[Case]:
        """Draw usual cases, padded and reversed ones, and layers and directions."""
        ragged = self.cases(cell, "several steps", padded=True, backwards=True)
        return self.cases(cell) | ragged | self.cases(cell, "stacked", variants="stacked", pairs=False)

    def run(self, case: Case) -> Trace:
        """Ask the backend. A refusal is counted, and the example given up (a new one is drawn).

        Raises `adapters.Refused` in a test that draws no examples.
        """
        __tracebackhide__ = True
        return self._ask(case, None, lambda: run(self.adapter, case))

    def judge(self, case: Case, trace: Trace) -> Verdict:
        """Judge an answer, and count the verdict."""
        verdict = self._timed(case, "", lambda: judge(self.adapter, case, trace))
        self.scores.add_verdict(verdict)
        return verdict

    def _ask(
        self, case: Case, cotangents: Cotangents | None, call: Callable[[], Answer], what: str = ""
    ) -> Answer:
        """Return what `call` does, which asks the backend."""
        __tracebackhide__ = True
        if Process.interrupted:
            raise KeyboardInterrupt
        self.asked = (case, cotangents)
        try:
            answer = self._timed(case, what, lambda: self.losses.ask(case, cotangents, call))
            if self.listener:
                self.listener.answered(case, cotangents, answer)
            return answer
        except BaseException as error:
            with suppress(Exception):  # Hypothesis may run another case before it reports this one
                error.lockstep_asked = self.asked  # type: ignore[attr-defined]
            raise
        finally:
            if self.adapter.warned:
                self.scores.add_warnings(case, self.adapter.warned, what)
                self.adapter.warned.clear()

    def _timed(self, case: Case, what: str, call: Callable[[], Answer]) -> Answer:
        """Return what `call` does, its time and a refusal counted."""
        __tracebackhide__ = True
        start = time.perf_counter()
        try:
            return call()
        except Refused as reason:
            self.scores.add_refusal(case, in_one_line(reason), what)
            self._tell(case, what, "refused")
            if currently_in_test_context():
                reject()
            raise
        except (KeyboardInterrupt, UnsatisfiedAssumption):  # the latter where it was not asked
            raise
        except BaseException as error:  # raised on, unless --known-failures has an entry for it: then counted
            known = self._is_known(case, error, what)
            self._tell(case, what, "known" if known else "wrong")
            if known:
                if currently_in_test_context():
                    reject()
                pytest.xfail("as is known")
            raise
        finally:
            self.scores.add_time(case, time.perf_counter() - start, what)

    def check(self, case: Case, trace: Trace | None = None, *, claim: str = "") -> Trace:
        """Fail the test unless `trace`, by default the backend's answer, is right for `case`.

        claim: what the test shows, when it is more than that the answer is right.
        """
        __tracebackhide__ = True
        if trace is None:
            trace = self.run(case)
        self._assert(Failure(self.name, self.adapter, self.judge(case, trace), trace, claim))
        return trace

    def check_gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Any]:
        """Fail the test unless the backend's gradients are right."""
        __tracebackhide__ = True

        def judged() -> Verdict:
            return judge_gradients(self.adapter, case, cotangents, answer)

        def gradients() -> dict[str, Any]:
            return run_gradients(self.adapter, case, cotangents)  # type: ignore[no-any-return]

        answer = self._ask(case, cotangents, gradients, "grad")
        verdict = self._timed(case, "grad", judged)
        self.scores.add_verdict(verdict, "grad")
        self._assert(Failure(self.name, self.adapter, verdict, answer, cotangents=cotangents))
        return answer

    def check_training(self, case: Case, targets: Array, rate: float, updates: int) -> None:
        """Fail the test unless each update of the weights is right, and all of them together are.

        Of weights after answers or gradients that are wrong, as is known, nothing can be said.
        """
        __tracebackhide__ = True
        own, known = case, self.known
        answer: list[dict[str, Array]] = []
        for _ in range(updates):
            outputs = self.check(own, claim=f"after {len(answer)} updates").outputs
            found = self.check_gradients(own, loss_cotangents(own, outputs, targets))
            own = trained(own, found, rate)
            answer.append(weights_of(own))
        if self.known > known:
            return
        verdict = self._timed(
            case, "train", lambda: judge_training(self.adapter, case, targets, rate, answer)
        )
        self.scores.add_verdict(verdict, "train")
        self._assert(Failure(self.name, self.adapter, verdict, answer, f"after {updates} updates"))

    def check_drift(self, cases: Iterable[Case]) -> None:
        """Fail the test where answers that are right are further off than rounding explains.

        cases: of one dtype, for which the model of `bound.typical` holds. They are judged one by one and
        all together, which is sharper.
        """
        __tracebackhide__ = True
        whole = Drift()
        for case in cases:
            trace = self.run(case)
            verdict = self._timed(case, "", lambda: judge(self.adapter, case, trace))  # noqa: B023
            one = Drift()
            if verdict.status != "mismatch":  # a bound that proves nothing is no hindrance here
                self._timed(case, "", lambda: one.add(case, trace, self.adapter.facts.arithmetic(case.dtype)))  # noqa: B023
                whole.merge(one)
            reason = one.reason or whole.reason
            if reason:
                verdict = replace(verdict, status="drift", reason=reason)
            self.scores.add_verdict(verdict)
            self._assert((Drifted if reason else Failure)(self.name, self.adapter, verdict, trace))
            if self.guarantees is not None and not reason and verdict.status != "mismatch":
                self.guarantees.add(verdict, trace, self.adapter.facts.arithmetic(case.dtype))

    def check_conduct(self) -> None:
        """Fail the test where the backend has done something to its arguments or to earlier answers."""
        __tracebackhide__ = True
        complaints = self.adapter.complaints[:]
        self.adapter.complaints.clear()
        assert not complaints, f"{self.name} {complaints[0]}"

    def _assert(self, result: Failure) -> None:
        """Fail the test where the verdict is a mismatch, with all that is known of it."""
        __tracebackhide__ = True
        for watch in self.watchers:
            watch(result)
        status, case = result.verdict.status, result.verdict.case
        if status in ("mismatch", "drift") and self._is_known(case, result):
            status = "known"
        self._tell(case, result.of, status)
        if status in ("mismatch", "drift"):
            raise AssertionError(result)
        if status == "inconclusive" and currently_in_test_context():
            note(str(result.verdict))

    def _tell(self, case: Case, of: str, status: str) -> None:
        """Tell the listener what became of a case."""
        if self.listener:
            self.listener.ended(case, of, status)

    def _is_known(self, case: Case, failure: Failure | BaseException, what: str = "") -> bool:
        """Tell whether a failure of the case is a known one, which is counted."""
        known = self.excused(case, failure) if self.excused else ""
        if known:
            self.known += 1
            self.scores.add_known_failure(case, known, what)
        return bool(known)


def backend_of(item: pytest.Item) -> Backend | None:
    """The backend that a test is set up for, if any."""
    return getattr(item, "funcargs", {}).get("backend")


@contextmanager
def watching(backend: Backend | None, watch: Watch) -> Iterator[None]:
    """Show `watch` everything that the backend is judged by, right or wrong."""
    watchers = backend.watchers if backend else []
    watchers.append(watch)
    try:
        yield
    finally:
        watchers.remove(watch)
