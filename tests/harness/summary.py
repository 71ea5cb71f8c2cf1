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
    if session.scores:
        terminalreporter.section("lockstep: every step against the oracle")
        width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
        scores = {name: session.scores[name] for name in session.names if name in session.scores}
        terminalreporter.write(render_table(scores, width))
        for name, by_layer in scores.items():
            if session.parallel:  # the header of a parallel run does not know them
                terminalreporter.write_line(str(session.facts[name]))
            for line in not_compared(name, by_layer):
                terminalreporter.write_line(line)
            if session.not_tested[name]:
                terminalreporter.write_line(f"{name} not tested on: {session.not_tested[name]}")
        for name in session.without_comparison(terminalreporter.config):
            terminalreporter.write_line(f"{name}: no case was compared, so this shows nothing", red=True)
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


def not_compared(name: str, scores: Scores) -> Iterator[str]:
    """Tell why cases of a backend were refused, and which of its failures are known: the most common ones."""
    reasons, more = most_common(sum((score.reasons for score in scores.values()), Counter[str]()))
    for reason, count in reasons.items():
        yield f"{name} refused {count}: {reason}"
    if more:
        yield f"{name} refused {more:,} more, for other reasons"
    known, more = most_common(sum((score.known for score in scores.values()), Counter[str]()))
    for why, count in known.items():
        yield f"{name} fails as is known, in {count} cases: {why}"
    if more:
        yield f"{name} fails as is known in {more:,} more cases"


def causes(failures: list[dict[str, Any]]) -> Iterator[str]:
    """Tell what is wrong with which backend: the causes that the most tests have."""
    counts = Counter((failure["backend"], printable(failure["cause"])) for failure in failures)
    first, more = most_common(counts, MOST_CAUSES)
    for (name, cause), count in first.items():
        yield f"{name}, in {count} tests: {cause}"
    if more:
        yield f"and {more:,} more tests, for other causes"
