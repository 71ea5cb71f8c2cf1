"""A verdict: what a comparison found, and how to say it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference.case import Case
from reference.validation import Array


@dataclass(frozen=True)
class Step:
    """One compared element: where it is, what the backend answered and what it should have been."""

    batch: int
    time: int
    unit: int
    observed: float
    expected: float
    deviation: float
    bound: float
    ulp: float  # distance between neighbouring numbers of the case's dtype at `expected`

    def __str__(self) -> str:
        return (
            f"batch {self.batch}, time {self.time}, unit {self.unit}: observed {self.observed:.9g}, "
            f"expected {self.expected:.9g}, off by {self.deviation / self.ulp:.3g} ulps "
            f"where {self.bound / self.ulp:.3g} are allowed"
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """The comparison of one trace with the oracle.

    status: "match" (every element lies within a bound that means something), "mismatch" (one does not,
    or the trace has the wrong form) or "inconclusive" (nothing is wrong, but not everything is shown).
    reason: one line, empty for a match.
    observed, expected, bound: (batch, time, H), empty for a trace of the wrong form; `expected` is each
    step from the backend's own previous state, and the bound infinite where nothing is known.
    """

    case: Case
    status: str
    reason: str
    observed: Array
    expected: Array
    bound: Array

    @cached_property
    def deviation(self) -> Array:
        """|observed - expected|, infinite for NaN, and 0 where the bound is infinite."""
        with np.errstate(invalid="ignore"):
            off: Array = np.abs(self.observed - self.expected)
        off[np.isnan(off)] = np.inf
        off[np.isinf(self.bound)] = 0.0
        return off

    @cached_property
    def outside(self) -> Array:
        """Which elements lie outside their bound."""
        return self.deviation > self.bound

    @cached_property
    def first(self) -> Step | None:
        """The first element outside its bound: the step run earliest, there the first row and unit."""
        steps = np.flatnonzero(self.outside.any(axis=(0, 2))) if self.outside.size else ()
        if not len(steps):
            return None
        time = int(steps[-1 if self.case.reverse else 0])
        batch, unit = (int(i) for i in np.argwhere(self.outside[:, time])[0])
        return self.step(batch, time, unit)

    @cached_property
    def worst(self) -> Step | None:
        """The element with the largest deviation as a fraction of its bound."""
        if not self.bound.size:
            return None
        exact = np.where(self.deviation > 0, np.inf, 0.0)  # where no deviation at all is allowed
        ratio = np.divide(self.deviation, self.bound, out=exact, where=self.bound > 0)
        return self.step(*(int(i) for i in np.unravel_index(ratio.argmax(), ratio.shape)))

    @property
    def ratio(self) -> float:
        """The largest deviation as a fraction of its bound; 0 when nothing was compared."""
        if self.worst is None or self.worst.deviation == 0:
            return 0.0
        return self.worst.deviation / self.worst.bound if self.worst.bound else np.inf

    @property
    def median_bound(self) -> float:
        """The median over the elements of the bound, absolute."""
        return float(np.median(self.bound)) if self.bound.size else np.nan

    def step(self, batch: int, time: int, unit: int) -> Step:
        """One element in full."""
        index = (batch, time, unit)
        observed, expected, deviation, bound = (
            float(array[index]) for array in (self.observed, self.expected, self.deviation, self.bound)
        )
        ulp = float(np.abs(np.spacing(self.case.dtype.type(expected))))
        return Step(batch, time, unit, observed, expected, deviation, bound, ulp)

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.reason}" if self.reason else self.status]
        if self.first is not None:
            wrong = np.count_nonzero(self.outside)
            lines.append(f"  first wrong step: {self.first}")
            if wrong > 1:
                lines.append(f"  worst: {self.worst}")
            lines.append(f"  {wrong} of {self.outside.size} elements are outside their bound")
        lines.append(f"  case: {self.case}")
        return "\n".join(lines)
