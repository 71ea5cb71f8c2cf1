"""The table of what changed from one version to the next, no wider than a hundred columns."""

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rnn_lockstep.tests.harness.report.changes import Change, shortened
from rnn_lockstep.tests.harness.report.content import quantity

WIDTH = 100
MOST = 10  # causes of a kind that are shown


def table(found: Sequence[Change]) -> str:
    """Draw the changes, some rows for each backend and pair of versions; empty where there are none."""
    if not found:
        return ""
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in ("backend", "before", "now", "what", "", "where"):
        drawn.add_column(header, overflow="fold", no_wrap=header == "what")
    for change in found:
        names = (change["backend"], change["before"], change["now"])
        for row in rows(change):
            drawn.add_row(*names, *row)
            names = ("", "", "")
    console = Console(width=WIDTH, no_color=True, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def rows(change: Change) -> Iterator[tuple[str, str, str]]:
    """Tell of a change: what, which, and in which tests."""
    for kind in ("new", "mended"):
        for each in change[kind][:MOST]:
            yield kind, each["cause"], shortened(each["tests"])
        if (more := len(change[kind]) - MOST) > 0:
            yield kind, f"{quantity(more, 'cause')} more", ""
        if not change[kind]:
            yield kind, "none", ""
    other, same = change["other_bits"], change["same_cases"]
    yield (
        "other bits",
        f"{sum(other.values()):,} of {quantity(same, 'case')}",
        shortened(listed(other.items())),
    )
    for note in change["notes"]:
        yield "note", note, ""


def listed(counts: Iterable[tuple[str, int]]) -> list[str]:
    """Write each test with how many of its cases have other bits."""
    return [f"{test} ({count})" for test, count in counts]
