"""The summary that a run prints at its end: the table, what was refused, what is wrong."""

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.tests.harness.scores import OTHER, Scores, in_short, most_common, render_table, sum_of

if TYPE_CHECKING:
    from rnn_lockstep.tests.harness.session import Session

WIDTH_IN_A_FILE = 150  # columns of the table where there is no terminal
MOST_CAUSES = 20


def write_summary(session: "Session", terminalreporter: Any) -> None:
    """Write what the tests of a session found, a section for each kind of it."""
    for name, reason in session.broken.items():
        count = session.not_run[name]
        terminalreporter.write_line(f"lockstep: {reason}; {count} tests of it were not run", red=True)
    if session.scores:
        terminalreporter.section("lockstep: every step against the oracle")
        width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
        config = terminalreporter.config
        in_full = config.get_verbosity() > 0 or config.getoption("--replay")
        scores = {name: session.scores[name] for name in session.names if name in session.scores}
        elsewhere = any("@" in name for name in scores)  # where one framework may have several versions
        versions = {name: session.versions[name].split()[0] for name in scores} if elsewhere else {}
        terminalreporter.write((render_table if in_full else in_short)(scores, width, versions))
        for name, by_layer in scores.items():
            if session.parallel:  # the header of a parallel run does not know them
                terminalreporter.write_line(str(session.facts[name]))
            for line in (told_of if in_full else told_shortly)(name, by_layer, session.not_tested[name]):
                terminalreporter.write_line(line)
        for name in session.without_comparison(terminalreporter.config):
            why = "every case was inconclusive" if session.scores[name].compared else "no case was compared"
            terminalreporter.write_line(f"{name}: {why}, so this shows nothing", red=True)
        for name in session.not_installed:
            terminalreporter.write_line(f"{name} is not installed and was not tested")
    if session.failures:
        terminalreporter.section("lockstep: what is wrong")
        for line in causes(session.failures):
            terminalreporter.write_line(line)
    if session.faults or session.diagnosed:
        terminalreporter.section("lockstep: the suite against its faults")
    for rate, families in (("kill-rate", session.faults), ("diagnosed", session.diagnosed)):
        if families:
            found, planted = (sum(numbers) for numbers in zip(*families.values(), strict=True))
            terminalreporter.write_line(
                f"{rate}: {found} of {planted} planted faults ({found / planted:.1%})"
            )


# What is told of a backend beside its figures, by the name of the field of a `Score` that counts it.
TOLD = {
    "reasons": ("{name} refused {count:,}: {why}", "{name} refused {count:,} more, for other reasons"),
    "known": (
        "{name} fails as is known, in {count:,} cases: {why}",
        "{name} fails as is known in {count:,} more cases",
    ),
    "drifts": ("{name}: note: drift in {why}", "{name}: note: drift in {count:,} cases more"),
    "warned": ("{name} warned {count:,} times: {why}", "{name} warned {count:,} times more, of other things"),
}


def told_of(name: str, scores: Scores, not_tested: str = "") -> Iterator[str]:
    """Tell of the refusals, known failures and warnings of a backend: the most common ones of each.

    not_tested: what it was not tested on, in words.
    """
    for field, (line, others) in TOLD.items():
        first, more = most_common(sum((getattr(score, field) for score in scores.values()), Counter[str]()))
        for why, count in first.items():
            yield line.format(name=name, count=count, why=why)
        if more:
            yield others.format(name=name, count=more)
    if not_tested:
        yield f"{name} not tested on: {not_tested}"


# The same in short; behind each is its commonest reason.
SHORTLY = {
    "reasons": "refused {count:,}",
    "known": "fails as is known in {count:,} cases",
    "drifts": "drift is noted in {count:,}",
    "warned": "warned {count:,} times",
}


def told_shortly(name: str, scores: Scores, not_tested: str = "") -> Iterator[str]:
    """Tell the same in one line at most."""
    told = []
    for field, words in SHORTLY.items():
        counts: Counter[str] = sum((getattr(score, field) for score in scores.values()), Counter())
        if counts:
            why = next(iter(most_common(counts, 1)[0]), OTHER)
            told.append(f"{words.format(count=counts.total())} ({why})")
    told += [f"not tested on: {not_tested}"] if not_tested else []
    if told:
        yield f"{name}: {', '.join(told)}"


class LastWord:
    """The hook that writes the verdict in words, below all else but pytest's own last line."""

    def __init__(self, session: "Session") -> None:
        self.session = session

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Iterator[None]:
        yield
        for line in verdict_in_words(self.session):
            terminalreporter.write_line(f"lockstep: {line}", bold=True)


def verdict_in_words(session: "Session") -> Iterator[str]:
    """The verdict in a line on the backends that are right, and one on each of the others."""
    right = []
    for name in (name for name in session.names if name in session.scores):
        counts, known = session.scores[name].total.counts, session.scores[name].total.known.total()
        tests = len({failure["test"] for failure in session.failures if failure["backend"] == name})
        told = f"{name} {session.versions[name]}"
        what = session.broken.get(name) or (f"in {tests} tests" if tests else "")
        if not what and (known or (counts["mismatch"] and name in session.excused)):
            yield f"{told} is wrong as is known{f', in {known:,} cases,' * bool(known)} and in no other way"
        elif what or counts["mismatch"] + counts["drift"]:
            yield f"{told} is wrong{what and ', '}{what}"
        elif counts["match"]:
            right.append(name)
    if right:
        total = sum_of(session.scores[name].total for name in right)
        unclear = total.counts["inconclusive"]
        names = ", ".join(f"{name} {session.versions[name]}" for name in right)
        middle = f"{unclear:,} prove nothing, " if unclear else ""
        yield f"{names}: {total.counts['match']:,} cases match, {middle}none is wrong"


def causes(failures: list[dict[str, Any]]) -> Iterator[str]:
    """Tell what is wrong with which backend: the commonest kinds of causes, each with its smallest case."""
    by_kind: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for failure in failures:
        by_kind.setdefault((failure["backend"], failure["kind"]), []).append(failure)
    first, more = most_common(Counter({kind: len(found) for kind, found in by_kind.items()}), MOST_CAUSES)
    for (name, kind), count in first.items():
        smallest = min(by_kind[name, kind], key=lambda failure: failure["size"])
        same = len({failure["cause"] for failure in by_kind[name, kind]}) == 1
        cause = smallest["cause"] if same else f"{kind}, in various places"
        yield f"{name}, in {count} tests: {printable(cause)}"
        if count > 1:
            if not same:
                yield "  " + printable(f"the smallest of these: {smallest['cause']}")
            saved = f", saved: {smallest['saved']}" if smallest["saved"] else ""
            yield "  " + printable(f"the smallest case of these: {smallest['case']}{saved}")
    if more:
        yield f"and {more:,} more tests, for other causes"
