"""What a run's matches guarantee: a pytest plugin that measures it after each test of drift that passes."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rnn_lockstep.reference.check.drift import DTYPES
from rnn_lockstep.reference.check.guarantees import OF_A_GATE, VALUE, WEIGHTS, Guarantees, is_whole
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.backend import backend_of
from rnn_lockstep.tests.harness.session import Session

MEASURED = pytest.StashKey[list[Any]]()
COLUMNS = (*WEIGHTS, OF_A_GATE, VALUE)
NOTHING = "what a match guarantees was not measured: no test of drift has passed"
WIDTH = 124


class MeasureGuarantees:
    """Hooks of a run that has a report, or shows more (-v), which costs a second or two for a backend."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Keep the answers that a test of drift judges, and measure when it has passed."""
        backend = backend_of(item)
        if backend is None:
            return (yield)
        backend.guarantees = found = Guarantees()
        try:
            result = yield
        finally:
            backend.guarantees = None
        if found.cases:
            item.stash[MEASURED] = [backend.name, content(found)]
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Send the figures with the test's report, from whichever process ran it."""
        report = yield
        if call.when == "call":
            report.lockstep_guarantees = item.stash.get(MEASURED, None)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if measured := getattr(report, "lockstep_guarantees", None):
            name, figures = measured
            self.session.guarantees.setdefault(name, []).append(figures)

    @pytest.hookimpl(trylast=True)  # after the table of scores
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table where more is to be shown."""
        if terminalreporter.verbosity > 0 and self.session.scores:
            terminalreporter.section("lockstep: what a match guarantees")
            terminalreporter.write(table(self.session.guarantees))
            for name in self.session.scores:
                if name not in self.session.guarantees:
                    terminalreporter.write_line(f"{name}: {NOTHING}")


def content(found: Guarantees) -> dict[str, Any]:
    """Give the figures as reports have them, see schema.json: plain data."""
    seen = found.seen()
    return {
        "cell": found.cell,
        "dtype": found.dtype,
        "hidden_size": found.hidden_size,
        "cases": found.cases,
        "errors": [{"in": name, **each._asdict()} for name, each in seen.items() if not is_whole(name)],
        "ways": [
            {"in": name, "seen_by": "bound" if each.bound else "drift" if each.drift else "nothing"}
            for name, each in seen.items()
            if is_whole(name)
        ],
    }


def row(figures: dict[str, Any]) -> list[str]:
    """Give the cells of a row: "2e-05 / 5e-07" for each of COLUMNS, and what is not seen."""
    errors = {error["in"]: error for error in figures["errors"]}
    unseen = [way["in"] for way in figures["ways"] if way["seen_by"] == "nothing"]
    return [*(both(errors.get(name)) for name in COLUMNS), ", ".join(unseen)]


def both(error: dict[str, Any] | None) -> str:
    """Write from which size the bound sees an error, and drift; empty where there is no such error."""
    if error is None:
        return ""
    return " / ".join("-" if error[side] is None else f"{error[side]:.0e}" for side in ("bound", "drift"))


def in_order(figures: dict[str, Any]) -> tuple[int, int, int]:
    """Order rows by cell, dtype and size."""
    places = list(CELLS).index(figures["cell"]), DTYPES.index(figures["dtype"])
    return *places, figures["hidden_size"]


def table(guarantees: dict[str, list[dict[str, Any]]]) -> str:
    """Draw the table: relative errors that would have been seen by the bound / by drift."""
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in ("backend", "layer", "H", *COLUMNS, "not seen"):
        drawn.add_column(header, overflow="fold", no_wrap=header in COLUMNS)
    for name, measured in guarantees.items():
        for figures in sorted(measured, key=in_order):
            layer = f"{figures['cell']} {figures['dtype']}"
            drawn.add_row(name, layer, str(figures["hidden_size"]), *row(figures))
    console = Console(width=WIDTH, no_color=True)
    with console.capture() as capture:
        console.print("A relative error of this size or more is seen, by the bound / by drift:")
        console.print(drawn)
    return capture.get()
