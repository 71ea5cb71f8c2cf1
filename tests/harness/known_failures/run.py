"""Known failures in a run: each is tried by its case, and must still fail; others like it are excused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters import Refused
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure
from rnn_lockstep.tests.harness.replay import check_saved
from rnn_lockstep.tests.harness.session import Session


def test_known_failure(backend: Backend, known: KnownFailure) -> None:
    """Its own case still fails, which is what is expected of it."""
    try:
        check_saved(backend, known.saved)
    except Refused as reason:
        pytest.fail(f"{backend.name} refuses the case of a known failure: {reason}", pytrace=False)
    except Exception:  # a mismatch or, where the backend raises, whatever it is
        pytest.xfail(str(known))
    pytest.fail(f"no longer fails, remove its entry: {known}", pytrace=False)


class KnownFailures:
    """Runs the cases of the entries whose backends are tested, and excuses failures that they tell of."""

    def __init__(self, entries: Sequence[KnownFailure], session: Session) -> None:
        self.entries = [entry for entry in entries if entry.backend in session.names]
        self.others = [entry for entry in entries if entry.backend not in session.names]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "known" in metafunc.fixturenames:
            ids = [f"{entry.backend}-{Path(entry.case).stem}" for entry in self.entries]
            pairs = [(entry.backend, entry) for entry in self.entries]
            metafunc.parametrize(("backend", "known"), pairs, ids=ids, indirect=["backend"], scope="session")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        backend = backend_of(item)
        if backend is None or item.originalname == test_known_failure.__name__:
            return (yield)
        name = item.originalname
        mine = [entry for entry in self.entries if entry.backend == backend.name]
        backend.excused = lambda case: next((str(k) for k in mine if k.excuses(name, case)), "")
        try:
            return (yield)
        finally:
            backend.excused = None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for entry in self.others:
            terminalreporter.write_line(f"lockstep: {entry.backend} is not tested, nor its failure: {entry}")
