"""The summary that a run prints at its end: the table, what was refused, what is wrong."""

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.tests.harness.scores import Scores, most_common, render_table

if TYPE_CHECKING:
    from rnn_lockstep.tests.harness.session import Session

WIDTH_IN_A_FILE = 150  # columns of the table where there is no terminal
MOST_CAUSES = 20


def write_summary(session: "Session", terminalreporter: Any) -> None:
    """Write what the tests of a session found, a section for each kind of it."""
    for name, reason in session.broken.items():
        count = session.not_run[name] + 1
        terminalreporter.write_line(f"lockstep: {reason}; {count} tests of it were not run", red=True)
    if session.scores:
        terminalreporter.section("lockstep: every step against the oracle")
        width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
        scores = {name: session.scores[name] for name in session.names if name in session.scores}
        elsewhere = any("@" in name for name in scores)  # where one framework may have several versions
        versions = {name: session.versions[name].split()[0] for name in scores} if elsewhere else {}
        terminalreporter.write(render_table(scores, width, versions))
        for name, by_layer in scores.items():
            if session.parallel:  # the header of a parallel run does not know them
                terminalreporter.write_line(str(session.facts[name]))
            for line in told_of(name, by_layer):
                terminalreporter.write_line(line)
            if session.not_tested[name]:
                terminalreporter.write_line(f"{name} not tested on: {session.not_tested[name]}")
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
            terminalreporter.write_line(f"{rate}: {found} of {planted} faults ({found / planted:.1%})")


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


def told_of(name: str, scores: Scores) -> Iterator[str]:
    """Tell of the refusals, known failures and warnings of a backend: the most common ones of each."""
    for field, (line, others) in TOLD.items():
        first, more = most_common(sum((getattr(score, field) for score in scores.values()), Counter[str]()))
        for why, count in first.items():
            yield line.format(name=name, count=count, why=why)
        if more:
            yield others.format(name=name, count=more)


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
