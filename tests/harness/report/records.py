"""Records of a run: a pytest plugin that keeps what became of each test and each feature of a backend."""

import re
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.tests.harness.backend import backend_of
from rnn_lockstep.tests.harness.features import blamed
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure
from rnn_lockstep.tests.harness.report.record import Record
from rnn_lockstep.tests.harness.scores import sum_of

NAME = "lockstep-records"
RECORD = pytest.StashKey[Record]()
NO_LONGER = "no longer fails"  # as `tests/parity/known_failure.py` says
IGNORES = re.compile(r"\bignores\b")


class Records:
    """Hooks that give each test's backend a listener, and add up what the listeners have heard.

    known: the backends and their entries, where failures are known.
    """

    def __init__(self, known: Iterable[tuple[str, KnownFailure]]) -> None:
        self.known = list(known)
        self.tests: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.counts: defaultdict[str, dict[str, Counter[str]]] = defaultdict(dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        backend = backend_of(item)
        if backend is None:
            return (yield)
        varies = backend.adapter.facts.varies
        backend.listener = item.stash[RECORD] = Record(settings().derandomize and not varies)
        try:
            return (yield)
        finally:
            backend.listener = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Send the record with the test's report, from whichever process ran it."""
        report = yield
        backend = backend_of(item)
        if call.when == "call" and backend and RECORD in item.stash:
            known = dict(sum_of(backend.scores.values()).known)
            if hasattr(report, "wasxfail") and "known" in item.fixturenames:  # type: ignore[attr-defined]
                known[printable(report.wasxfail.removeprefix("reason: "))] = 1
            record = item.stash[RECORD].to_json()
            test = {"test": label(item.nodeid, backend.name), "outcome": outcome(report), "known": known}
            report.lockstep_record = [backend.name, {**test, "digests": record["digests"]}, record["counts"]]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if found := getattr(report, "lockstep_record", None):
            name, test, counts = found
            self.tests[name].append(test)
            for feature, outcomes in counts.items():
                self.counts[name].setdefault(feature, Counter()).update(as_known(test, outcomes))

    def content(self, name: str, version: str) -> dict[str, Any]:
        """Give what reports tell of a backend, as schema.json describes it: tests, features and known."""
        tests = sorted(self.tests[name], key=lambda test: str(test["test"]))
        happened: Counter[str] = sum((Counter(test["known"]) for test in tests), Counter())
        return {
            "tests": tests,
            "features": {feature: dict(counts) for feature, counts in self.counts[name].items()},
            "known": [
                entry_content(entry, happened[str(entry)])
                for backend, entry in self.known
                if backend == name and entry.has(version) and happened[str(entry)]
            ],
        }


def as_known(test: dict[str, Any], outcomes: dict[str, int]) -> dict[str, int]:
    """Count what is wrong as known in the test of a known failure, which expects it."""
    if test["outcome"] != "known":
        return outcomes
    return {"known" if outcome == "wrong" else outcome: count for outcome, count in outcomes.items()}


def entry_content(entry: KnownFailure, cases: int) -> dict[str, Any]:
    """Describe a known failure that has happened, in so many cases."""
    saved = entry.saved
    return {
        "reason": str(entry),
        "ignores": bool(IGNORES.search(entry.reason)),
        "versions": entry.versions,
        "cases": cases,
        "case": repr(saved.case),
        "saved": printable(entry.case),
        "features": blamed(saved.case, "" if saved.cotangents is None else "grad"),
    }


def outcome(report: pytest.TestReport) -> str:
    """Say what became of a test: passed, failed, skipped, known, or mended: no longer known to fail."""
    if hasattr(report, "wasxfail"):
        return "known"
    text = report.longreprtext if report.failed else ""
    return "mended" if text.startswith(("Failed: " + NO_LONGER, NO_LONGER)) else report.outcome


def is_of(test: str, backend: str) -> bool:
    """Tell whether a test is one of a backend. test: pytest's name of it."""
    return f"[{backend}-" in test or f"[{backend}]" in test


def label(test: str, backend: str) -> str:
    """Name a test without its file and its backend: "test_every_step[lstm]". test: pytest's name of it."""
    name = test.rpartition("::")[2]
    return name.replace(f"[{backend}-", "[", 1).replace(f"[{backend}]", "", 1)
