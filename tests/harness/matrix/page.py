"""The page of the matrix: backends and versions down, features across. It needs nothing beside it."""

from collections.abc import Sequence
from pathlib import Path

from rnn_lockstep.tests.harness.features import GROUPS
from rnn_lockstep.tests.harness.matrix.states import SIGNS, Cell, lost, rows
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.page import FOLDER as BASE
from rnn_lockstep.tests.harness.report.page import templates
from rnn_lockstep.tests.harness.report.record import OUTCOMES

FOLDER = Path(__file__).parent
HEADLINE = "recurrent layers, as they are"
MOST_TEXTS = 3  # messages of a cause that are shown


def page(reports: Sequence[Content]) -> str:
    """Make the page of reports, as schema.json describes them. Imports Jinja2."""
    environment = templates(FOLDER, BASE)
    environment.globals.update(counted=counted, short=short, most=MOST_TEXTS)
    template = environment.get_template("matrix.html.jinja")
    found = rows(reports)
    what = {"rows": found, "groups": GROUPS, "signs": SIGNS, "lost": lost(reports), "headline": HEADLINE}
    created = sorted(report["created"] for report in reports)
    return str(template.render(**what, created=created, several=len({row.platform for row in found}) > 1))


def short(platform: str) -> str:
    """The system and the processor of a platform."""
    return platform.partition(",")[0]


def counted(cell: Cell) -> str:
    """Write how many cases of a feature had which outcome: "120 match, 3 known"."""
    told = [f"{cell.counts[outcome]:,} {outcome}" for outcome in OUTCOMES if cell.counts.get(outcome)]
    return ", ".join(told) or "no case was run"
