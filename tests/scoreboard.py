"""The score: what each backend's comparisons found, added up over tests and processes."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from adapters import Case
from reference import Verdict

COUNTED = ("cases", "match", "mis-\nmatch", "incon-\nclusive", "re-\nfused")
WIDE = 120  # columns from which there is room for one more
STATUSES = ("match", "mismatch", "inconclusive", "refused")


@dataclass
class Score:
    """One backend in one dtype.

    counts: cases by status.  reasons: refusals by reason.  seconds: spent in the backend and the check.
    bounds: how often each case's median bound occurred, by its value to two digits.
    worst: the largest deviation as a fraction of its bound, and `where` that was.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    bounds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    worst: float = 0.0
    where: str = ""

    def saw(self, ratio: float, where: str) -> None:
        """Keep the worst ratio and its place."""
        if ratio > self.worst or not self.where:
            self.worst, self.where = ratio, where

    @property
    def compared(self) -> int:
        """How many cases were run and judged."""
        return self.counts.total() - self.counts["refused"]


class Scores(dict[str, Score]):
    """The scores of one backend by dtype."""

    def of(self, dtype: str) -> Score:
        return self.setdefault(dtype, Score())

    def spent(self, case: Case, seconds: float) -> None:
        self.of(case.dtype.name).seconds += seconds

    def refused(self, case: Case, reason: str) -> None:
        score = self.of(case.dtype.name)
        score.counts["refused"] += 1
        score.reasons[reason] += 1

    def judged(self, verdict: Verdict) -> None:
        case, score = verdict.case, self.of(verdict.case.dtype.name)
        score.counts[verdict.status] += 1
        if verdict.worst is not None:
            score.bounds[f"{verdict.median_bound:.1e}"] += 1
            sizes = f"B{case.batch} T{case.time} D{case.input_size} H{case.hidden_size}"
            score.saw(verdict.ratio, f"{case.activation} {sizes} step {verdict.worst.time}")

    @property
    def compared(self) -> int:
        return sum(score.compared for score in self.values())

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Plain dicts, strings and numbers, to travel in a test report."""
        return {
            dtype: {name: dict(v) if isinstance(v, Counter) else v for name, v in vars(score).items()}
            for dtype, score in self.items()
        }

    def add_json(self, data: dict[str, dict[str, Any]]) -> None:
        """Add what `to_json` of another made."""
        for dtype, values in data.items():
            score = self.of(dtype)
            for name in ("counts", "reasons", "bounds"):
                getattr(score, name).update(values[name])
            score.seconds += values["seconds"]
            score.saw(values["worst"], values["where"])


def rendered(scores: dict[str, Scores], width: int) -> str:
    """The closing table, a row a backend and dtype; where the worst was, beside it or below it."""
    wide = width >= WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False)
    table.add_column("backend", overflow="fold")  # the one column that gives way
    table.add_column("dtype", no_wrap=True)
    for header in (*COUNTED, "worst\n/bound", "median\nbound", "cases\n/s"):
        table.add_column(header, justify="right", no_wrap=True)
    if wide:
        table.add_column("where the worst was", no_wrap=True)
    below = []
    for backend, by_dtype in scores.items():
        for dtype, score in sorted(by_dtype.items()):
            table.add_row(backend, dtype, *figures(score), *([score.where] if wide else []))
            below.append(f"{backend} {dtype} worst at {score.where}\n")
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get() + ("" if wide else "".join(below))


def figures(score: Score) -> list[str]:
    """A row's numbers."""
    cases = score.counts.total()
    bounds = [float(bound) for bound in score.bounds.elements()]
    return [
        str(cases),
        *(str(score.counts[status]) for status in STATUSES),
        f"{score.worst:.3f}" if score.worst < 1000 else f"{score.worst:.0e}",
        f"{median(bounds):.1e}" if bounds else "-",
        f"{cases / score.seconds:.0f}",
    ]
