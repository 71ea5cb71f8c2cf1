"""Scores: the comparisons of each backend, added up over tests and processes, and their table."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from statistics import median
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rnn_lockstep.adapters import Case
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.oracle.cells import GATES

COUNT_HEADERS = ("cases", "match", "mis-\nmatch", "drift", "incon-\nclusive", "re-\nfused")
WIDE_HEADERS = ("median\nbound", "cases\n/s", "where the worst was")
WIDE = 145  # columns from which there is room for more
STATUSES = ("match", "mismatch", "drift", "inconclusive", "refused")
MOST_REASONS = 100  # that are told apart in a score
OTHER = "other reasons"  # those beyond
SHOWN = 5  # reasons for each backend
Reason = TypeVar("Reason")


def add_reasons(counts: Counter[str], more: Mapping[str, int]) -> None:
    """Count reasons; what comes when there are many is counted as one, so that no case is lost."""
    for reason, count in more.items():
        counts[reason if reason in counts or len(counts) < MOST_REASONS else OTHER] += count


def most_common(counts: Counter[Reason], most: int = SHOWN) -> tuple[dict[Reason, int], int]:
    """Give the most common reasons with their counts, and how often there was another one."""
    named = Counter({reason: count for reason, count in counts.items() if reason != OTHER})
    first = dict(named.most_common(most))
    return first, counts.total() - sum(first.values())


@dataclass
class Score:
    """The score of one backend on one cell in one dtype.

    counts: cases by status.  reasons: refusals by reason.  known: failures that are known, by why.
    warned: warnings of the framework, by their text.  drifts: drift that is told of answers which match.
    Of each of these four there are no more than MOST_REASONS, and OTHER.
    seconds: spent in the backend and the check.
    bounds: how often each case's median bound occurred, by its value to two digits.
    worst: the largest deviation as a fraction of its bound, and `where` that was.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    drifts: Counter[str] = field(default_factory=Counter)
    bounds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    worst: float = 0.0
    where: str = ""

    def keep_worst(self, ratio: float, where: str) -> None:
        """Keep the worst ratio and its place."""
        if ratio > self.worst or not self.where:
            self.worst, self.where = ratio, where

    @property
    def compared(self) -> int:
        """The number of cases that were run and judged."""
        return self.counts.total() - self.counts["refused"]

    @property
    def shown(self) -> int:
        """The number of cases that were shown to be right or wrong."""
        return self.counts["match"] + self.counts["mismatch"] + self.counts["drift"]

    @property
    def median_bound(self) -> float | None:
        """The median of the cases' median bounds; None where nothing was compared."""
        return median(map(float, self.bounds.elements())) if self.bounds else None

    @property
    def cases_per_second(self) -> float:
        return self.counts.total() / self.seconds if self.seconds else 0.0

    def add(self, other: "Score") -> None:
        self.counts.update(other.counts)
        add_reasons(self.reasons, other.reasons)
        add_reasons(self.known, other.known)
        add_reasons(self.warned, other.warned)
        add_reasons(self.drifts, other.drifts)
        self.bounds.update(other.bounds)
        self.seconds += other.seconds
        self.keep_worst(other.worst, other.where)

    def numbers(self) -> dict[str, float | None]:
        """Give the figures by the names they have in reports."""
        counts = {status: self.counts[status] for status in STATUSES}
        ratios = {"worst_over_bound": self.worst, "median_bound": self.median_bound}
        return {"cases": self.counts.total(), **counts, **ratios}

    def figures(self) -> list[str]:
        """Give the table's figures: the cases, those of each status, and the worst ratio."""
        return [
            str(self.counts.total()),
            *(str(self.counts[status]) for status in STATUSES),
            f"{self.worst:.3f}" if self.worst < 1000 else f"{self.worst:.0e}",
        ]


def sum_of(scores: Iterable[Score]) -> Score:
    """Add up scores."""
    total = Score()
    for score in scores:
        total.add(score)
    return total


class Scores(dict[str, Score]):
    """The scores of one backend by cell and dtype, "lstm float32", with "grad" or "train" behind."""

    def of(self, case: Case, what: str) -> Score:
        return self.setdefault(f"{case.cell} {case.dtype} {what}".strip(), Score())

    def add_time(self, case: Case, seconds: float, what: str = "") -> None:
        self.of(case, what).seconds += seconds

    def add_refusal(self, case: Case, reason: str, what: str = "") -> None:
        score = self.of(case, what)
        score.counts["refused"] += 1
        add_reasons(score.reasons, {printable(reason): 1})

    def add_known_failure(self, case: Case, why: str, what: str = "") -> None:
        add_reasons(self.of(case, what).known, {printable(why): 1})

    def add_drift(self, case: Case, told: str) -> None:
        """Tell of drift in an answer that is a match and stays one."""
        add_reasons(self.of(case, "").drifts, {printable(told): 1})

    def add_warnings(self, case: Case, warned: Counter[str], what: str = "") -> None:
        add_reasons(self.of(case, what).warned, warned)

    def add_verdict(self, verdict: Verdict, what: str = "") -> None:
        case, score = verdict.case, self.of(verdict.case, what)
        score.counts[verdict.status] += 1
        if verdict.worst is None:
            return
        if not isnan(verdict.median_bound):
            score.bounds[f"{verdict.median_bound:.1e}"] += 1
        if verdict.status != "inconclusive":  # in a bound as wide as the range is any answer
            sizes = f"B{case.batch} T{case.time} D{case.input_size} H{case.hidden_size}"
            time = "" if verdict.worst.time is None else f" step {verdict.worst.time}"
            name = verdict.worst.name.replace("gradient of", "").strip()
            score.keep_worst(verdict.ratio, f"{case.kind} {sizes}{name and ' ' + name}{time}")

    @property
    def compared(self) -> int:
        return sum(score.compared for score in self.values())

    @property
    def total(self) -> Score:
        return sum_of(self.values())

    def by_cell(self) -> dict[str, Score]:
        """Add up the scores of each cell, in every dtype, with gradients and training."""
        cells = dict.fromkeys(layer.split()[0] for layer in sorted(self, key=in_order))
        return {cell: sum_of(s for layer, s in self.items() if layer.split()[0] == cell) for cell in cells}

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Make plain dicts, strings and numbers of it, to travel in a test report."""
        return {
            layer: {name: dict(v) if isinstance(v, Counter) else v for name, v in vars(score).items()}
            for layer, score in self.items()
        }

    def add_json(self, data: dict[str, dict[str, Any]]) -> None:
        """Add what `to_json` of another made."""
        for layer, values in data.items():
            self.setdefault(layer, Score()).add(Score(**values))


def in_short(scores: Mapping[str, Scores], width: int, versions: Mapping[str, str] | None = None) -> str:
    """Draw the closing table, a row for each backend and cell.

    versions: to be shown below a backend's name, in its first row.
    """
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)  # 80 columns have no room for more between
    table.add_column("backend", overflow="fold", min_width=8)  # the one column that gives way
    table.add_column("cell", no_wrap=True)
    for header in (*COUNT_HEADERS, "known", "worst\n/bound"):
        table.add_column(header, justify="right", no_wrap=True)
    for backend, by_layer in scores.items():
        name = "\n".join(filter(None, (backend, (versions or {}).get(backend))))
        for cell, score in by_layer.by_cell().items():
            *counts, worst = score.figures()
            table.add_row(name, cell, *counts, str(score.known.total()), worst)
            name = backend
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def in_order(layer: str) -> tuple[int, list[str], str]:
    """Order rows such as "lstm float32": by cell, answers before gradients and training, by dtype."""
    cell, *rest = layer.split()
    return list(GATES).index(cell), rest[1:], rest[0]


def render_table(scores: Mapping[str, Scores], width: int, versions: Mapping[str, str] | None = None) -> str:
    """Draw the closing table, a row for each backend, cell and dtype; what has no room beside it is below.

    versions: to be shown below a backend's name, in its first row.
    """
    wide = width >= WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("backend", overflow="fold", min_width=8)  # the one column that gives way
    table.add_column("layer", no_wrap=True)
    for header in (*COUNT_HEADERS, "worst\n/bound", *(WIDE_HEADERS[:2] if wide else ())):
        table.add_column(header, justify="right", no_wrap=True)
    if wide:  # the last column takes what is left, and gives way to long names
        longest = max(len(backend) for backend in scores)
        table.add_column(WIDE_HEADERS[2], no_wrap=True, max_width=max(20, width - 98 - max(longest, 8)))
    below = []
    for backend, by_layer in scores.items():
        name = "\n".join(filter(None, (backend, (versions or {}).get(backend))))
        for layer, score in sorted(by_layer.items(), key=lambda item: in_order(item[0])):
            sharp = "-" if score.median_bound is None else f"{score.median_bound:.1e}"
            more = (sharp, f"{score.cases_per_second:.0f}", score.where)
            table.add_row(name, layer, *score.figures(), *(more if wide else ()))
            name = backend
            below.append(
                f"{backend} {layer}: median bound {more[0]}, {more[1]} cases/s, worst at {more[2]}\n"
            )
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get() + ("" if wide else "".join(below))
