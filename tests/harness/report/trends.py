"""Trends of the steps' deviations and bounds, over time and over hidden size."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any

import numpy as np

from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.check.comparison import Comparison


@dataclass
class Point:
    """A point of a trend: what the cases of one backend in one dtype had at some steps.

    deviations, bounds: how often the largest of a case's outputs there occurred, absolute, by its value
    to one digit.  worst: the largest deviation as a fraction of its own bound.
    """

    deviations: Counter[str] = field(default_factory=Counter)
    bounds: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0

    def add_largest(self, deviation: float, bound: float, ratio: float) -> None:
        self.deviations[f"{deviation:.0e}"] += 1
        self.bounds[f"{bound:.0e}"] += 1
        self.worst = max(self.worst, ratio)

    def add(self, other: "Point") -> None:
        self.deviations.update(other.deviations)
        self.bounds.update(other.bounds)
        self.worst = max(self.worst, other.worst)

    def numbers(self) -> dict[str, float]:
        """Give the figures by their names in reports: medians over the cases, and the worst of all."""
        return {
            "cases": self.bounds.total(),
            "deviation": median(map(float, self.deviations.elements())),
            "bound": median(map(float, self.bounds.elements())),
            "worst_over_bound": self.worst,
        }


class Trends(dict[str, Point]):
    """The points of one backend by dtype, axis and place: "float32 time 7", "float32 hidden_size 64".

    A place on the time axis is the first step of a range that ends before the next: 0, 1, 3, 7, 15, ...
    Only steps that are judged from the backend's own step before count; errors that add up tell
    nothing of a single step.
    """

    def add_verdict(self, verdict: Verdict) -> None:
        dtype = verdict.case.dtype.name
        for compared in verdict.comparisons:
            if compared.one_step and compared.bound.size:
                for axis, place, *largest in measured(compared):
                    self.setdefault(f"{dtype} {axis} {place}", Point()).add_largest(*largest)

    def points(self, dtype: str, axis: str) -> list[tuple[int, Point]]:
        """List the points of an axis with their places, in order."""
        keys = ((key.split(), point) for key, point in self.items())
        return sorted((int(key[2]), point) for key, point in keys if key[:2] == [dtype, axis])

    @property
    def dtypes(self) -> set[str]:
        return {key.split()[0] for key in self}

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Make plain dicts, strings and numbers of it, to travel in a test report."""
        return {
            key: {"deviations": dict(point.deviations), "bounds": dict(point.bounds), "worst": point.worst}
            for key, point in self.items()
        }

    def add_json(self, data: dict[str, dict[str, Any]]) -> None:
        """Add what `to_json` of another made."""
        for key, values in data.items():
            self.setdefault(key, Point()).add(Point(**values))


def measured(compared: Comparison) -> Iterator[tuple[str, int, float, float, float]]:
    """Measure a comparison: axis, place, largest deviation, bound and ratio there, unless all is padding."""
    steps = compared.bound.shape[1]
    places = [2**k - 1 for k in range(steps.bit_length()) if 2**k - 1 < steps]
    known = np.where(compared.bound < inf, compared.bound, 0.0)
    every = np.stack([np.max(a, axis=(0, 2)) for a in (compared.deviation, known, compared.ratios)])
    by_time = np.maximum.reduceat(every, places, axis=1)
    for place, largest in zip(places, by_time.T.tolist(), strict=True):
        if any(largest):
            yield "time", place, *largest
    if every.any():
        yield "hidden_size", compared.bound.shape[2], *every.max(axis=1).tolist()
