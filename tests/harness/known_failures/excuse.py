"""Excuse of known failures: a pytest plugin that lets those pass which an entry tells of."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Cotangents
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.failure import Failure
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure
from rnn_lockstep.tests.harness.known_failures.symptoms import Shown, are_seen, is_of
from rnn_lockstep.tests.harness.session import Session

TEST = Path(__file__).parents[2] / "parity" / "known_failure.py"


def known(entries: Sequence[KnownFailure], test: str, case: Case, failure: Failure | BaseException) -> str:
    """The known failure that a failure of a case in a test is, in words; empty where it is another, too."""
    about = [entry for entry in entries if entry.is_about(test, case)]
    shown = [entry.shows for entry in about]
    return str(about[0]) if are_seen(shown, failure) or is_of_a_known_answer(shown, failure) else ""


def is_of_a_known_answer(shown: Sequence[Shown], failure: Failure | BaseException) -> bool:
    """Tell whether gradients are of an answer that is wrong as is known, by what says nothing of them."""
    if not isinstance(failure, Failure) or failure.cotangents is None:
        return False
    answer = wrong_answer(failure.backend, failure.adapter, failure.verdict.case)
    of_both = [each for each in shown if is_of(each, of_gradients=True)]
    if answer is None or not any(has_part(failure.cotangents, name) for name in wrong_in(answer)):
        return False
    return are_seen(shown, answer) and not (of_both and are_seen(of_both, answer))


def wrong_in(answer: Failure) -> list[str]:
    """The names of the arrays of an answer in which something is wrong."""
    return [each.name for each in answer.verdict.comparisons if each.outside.any()]


def has_part(cotangents: Cotangents, name: str) -> bool:
    """Tell whether an array of an answer has a part in what is differentiated. name: as in a comparison."""
    part = next((part for part in ("final_cell_state", "final_state") if name.endswith(part)), "outputs")
    given = getattr(cotangents, part)
    return given is not None and bool(np.any(given))


def known_before(
    entries: Sequence[KnownFailure], test: str, backend: Backend, failure: Failure | BaseException
) -> str:
    """The known failure of the case that was asked, where a claim makes its answer that of another case."""
    if not (isinstance(failure, Failure) and failure.claim and backend.asked):
        return ""
    asked, _ = backend.asked
    if asked is failure.verdict.case:
        return ""
    own = wrong_answer(backend.name, backend.adapter, asked)
    return "" if own is None else known(entries, test, asked, own)


def wrong_answer(name: str, adapter: Any, case: Case) -> Failure | None:
    """A backend's answer to a case where it is wrong, else None."""
    try:
        trace = run(adapter, case)
        verdict = judge(adapter, case, trace)
    except Exception:  # whatever it is, it is no wrong answer
        return None
    return Failure(name, adapter, verdict, trace) if verdict.status == "mismatch" else None


class ExcuseKnownFailures:
    """Hooks that run the cases of the entries whose backends are tested, and excuse failures like them.

    pairs: the backends that are tested and the entries of each, whichever versions these are for.
    """

    def __init__(self, entries: Sequence[KnownFailure], session: Session) -> None:
        self.pairs = [(name, entry) for name in session.names for entry in entries if entry.is_of(name)]
        session.excused = frozenset(name for name, _ in self.pairs)
        self.others = [entry for entry in entries if not any(entry.is_of(name) for name in session.names)]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the test of known failures once for each entry."""
        if "known" in metafunc.fixturenames:
            ids = [f"{name}-{Path(entry.case).stem}" for name, entry in self.pairs]
            metafunc.parametrize(
                ("backend", "known"), self.pairs, ids=ids, indirect=["backend"], scope="session"
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Iterator[None]:
        """Let the backend of any other test ask whether a failure of a case is known."""
        backend = backend_of(item)
        if backend is None or "known" in item.fixturenames:
            return (yield)
        test, version = item.originalname, backend.adapter.facts.version
        mine = [entry for name, entry in self.pairs if name == backend.name and entry.has(version)]
        backend.excused = lambda case, failure: (
            known(mine, test, case, failure) or known_before(mine, test, backend, failure)
        )
        try:
            return (yield)
        finally:
            backend.excused = None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the entries whose backends are not tested."""
        for entry in self.others:
            terminalreporter.write_line(f"lockstep: {entry.backend} is not tested, nor its failure: {entry}")
