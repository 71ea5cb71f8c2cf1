"""States of the matrix: what is known of each feature on each backend, of what was run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnn_lockstep.adapters.backends.registry import BUILT_IN
from rnn_lockstep.tests.harness.features import FEATURES
from rnn_lockstep.tests.harness.report.changes import base
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.records import is_of

IGNORED = "it ignores "  # as a cause begins, see `adapters/backends/ignored.py`
NOT_RUN = "not run"
# The sign of each state and what it means; the worst comes first.
SIGNS: Mapping[str, tuple[str, str]] = {
    "wrong": ("✗", "a case is wrong, and nobody knew"),
    "ignored": ("∅", "it is accepted and has no effect"),
    "known": ("!", "cases are wrong as is known"),
    "match": ("✓", "cases match, and none is wrong because of it"),
    "refused": ("-", "every case was refused"),
    "inconclusive": ("?", "cases were run, and prove nothing"),
    NOT_RUN: ("·", "no case was run"),
}


@dataclass(frozen=True)
class Cause:
    """Something that is wrong with a backend.

    state: "wrong", "ignored" or "known".  features: which it is put down to.  texts: the case and the
    message, one or more of them.
    """

    state: str
    title: str
    features: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """A feature on a backend. counts: its cases by outcome.  causes: the places of the row's causes."""

    feature: str
    state: str
    counts: Mapping[str, int]
    causes: Sequence[int]


@dataclass(frozen=True)
class Row:
    """A backend in a version, on a platform: its cells in the order of FEATURES, and what is wrong with it.

    early: whether the run ended before all its tests were run.  notes: what else must be known of it.
    """

    name: str
    version: str
    platform: str
    facts: str
    cells: Sequence[Cell]
    causes: Sequence[Cause]
    notes: Sequence[str]
    early: bool


def rows(reports: Iterable[Content]) -> list[Row]:
    """Make a row of each backend of each report: in the order of the known backends, others behind them."""
    found = [row(report, backend) for report in reports for backend in report["backends"]]
    names = list(dict.fromkeys([*BUILT_IN, *(each.name for each in found)]))
    return sorted(found, key=lambda each: names.index(each.name))


def lost(reports: Iterable[Content]) -> list[str]:
    """List what kept backends out of a report: errors of tests that are of none that is in it."""
    found = dict.fromkeys(
        error["message"].partition("\n")[0]
        for report in reports
        for error in report["errors"]
        if not any(is_of(error["test"], backend["name"]) for backend in report["backends"])
    )
    return list(found)


def row(report: Content, backend: Mapping[str, Any]) -> Row:
    """Make the row of a backend."""
    causes = [*failures_of(report, backend["name"]), *known_of(backend)]
    cells = [cell(name, backend["features"].get(name, {}), causes) for name in FEATURES]
    errors = [error for error in report["errors"] if is_of(error["test"], backend["name"])]
    told = [
        f"{error['test'].rpartition('::')[2]}: {error['message'].partition(chr(10))[0]}" for error in errors
    ]
    early = report["exit_status"] not in (0, 1)
    if early:
        told.insert(0, "the run ended early: not all that it would have run is here")
    if backend["not_tested"]:
        told.append(f"not tested on: {backend['not_tested']}")
    names = base(backend["name"]), backend["version"], report["platform"]
    return Row(*names, backend["facts"], cells, causes, told, early)


def cell(feature: str, counts: Mapping[str, int], causes: Sequence[Cause]) -> Cell:
    """Say what is known of a feature.

    It is what is wrong because of it, if anything is; or else a match, if any case matches; or else whatever
    became of its cases.
    """
    mine = [k for k, cause in enumerate(causes) if feature in cause.features]
    states = {causes[k].state for k in mine}
    if not states:
        states = {"match"} if counts.get("match") else {outcome for outcome, count in counts.items() if count}
    return Cell(feature, next((state for state in SIGNS if state in states), NOT_RUN), counts, mine)


def failures_of(report: Content, name: str) -> list[Cause]:
    """The causes of a backend's failures."""
    return [
        Cause(
            "ignored" if group["cause"].startswith(IGNORED) else "wrong",
            group["cause"],
            list(dict.fromkeys(name for message in group["messages"] for name in message["features"])),
            [message["message"] for message in group["messages"]],
        )
        for group in report["failures"]
        if group["backend"] == name
    ]


def known_of(backend: Mapping[str, Any]) -> list[Cause]:
    """The known failures of a backend that have happened."""
    return [
        Cause(
            "ignored" if known["ignores"] else "known",
            known["reason"],
            known["features"],
            [f"{known['case']}\nkept: {known['saved']}\nas is known in {known['cases']:,} cases of this run"],
        )
        for known in backend["known"]
    ]
