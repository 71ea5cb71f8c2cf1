"""The summary that a run prints at its end: the table, what was refused, what is wrong."""

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from rnn_lockstep.tests.harness.scores import render_table

if TYPE_CHECKING:
    from rnn_lockstep.tests.harness.session import Session

WIDTH_IN_A_FILE = 150  # columns of the table where there is no terminal


def write_summary(session: "Session", terminalreporter: Any) -> None:
    """Write what the tests of a session found, a section for each kind of it."""
    for name, reason in session.broken.items():
        count = session.not_run[name] + 1
        terminalreporter.write_line(f"lockstep: {reason}; {count} tests of it were not run", red=True)
    if session.scores:
        terminalreporter.section("lockstep: every step against the oracle")
        width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
        scores = {name: session.scores[name] for name in session.names if name in session.scores}
        terminalreporter.write(render_table(scores, width))
        for name, by_layer in scores.items():
            if session.parallel:  # the header of a parallel run does not know them
                terminalreporter.write_line(str(session.facts[name]))
            reasons = sum((score.reasons for score in by_layer.values()), Counter[str]())
            for reason, count in reasons.items():
                terminalreporter.write_line(f"{name} refused {count}: {reason}")
            for why, count in sum((score.known for score in by_layer.values()), Counter[str]()).items():
                terminalreporter.write_line(f"{name} fails as is known, in {count} cases: {why}")
            warned = sum((score.warned for score in by_layer.values()), Counter[str]())
            for text, count in warned.items():
                terminalreporter.write_line(f"{name} warned {count} times: {text}")
            if session.not_tested[name]:
                terminalreporter.write_line(f"{name} not tested on: {session.not_tested[name]}")
        for name in session.without_comparison(terminalreporter.config):
            terminalreporter.write_line(f"{name}: no case was compared, so this shows nothing", red=True)
        for name in session.not_installed:
            terminalreporter.write_line(f"{name} is not installed and was not tested")
    if session.failures:
        terminalreporter.section("lockstep: what is wrong")
        causes = Counter((failure["backend"], failure["cause"]) for failure in session.failures)
        for (name, cause), count in causes.most_common():
            terminalreporter.write_line(f"{name}, in {count} tests: {cause}")
    if session.faults or session.diagnosed:
        terminalreporter.section("lockstep: the suite against its faults")
    for rate, families in (("kill-rate", session.faults), ("diagnosed", session.diagnosed)):
        if families:
            found, planted = (sum(numbers) for numbers in zip(*families.values(), strict=True))
            terminalreporter.write_line(f"{rate}: {found} of {planted} faults ({found / planted:.1%})")
