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
    deviation, bound: float64 (batch, time, H), absolute; the bound is infinite where nothing is known.
    worst: the element with the largest deviation / bound.  first: the first one outside its bound.
    Both are None when there is none.
    """

    case: Case
    status: str
    reason: str
    deviation: Array
    bound: Array
    worst: Step | None = None
    first: Step | None = None

    @cached_property
    def ratio(self) -> float:
        """The largest deviation as a fraction of its bound; 0 when nothing was compared."""
        if self.worst is None or self.worst.deviation == 0:
            return 0.0
        return self.worst.deviation / self.worst.bound if self.worst.bound else np.inf

    @cached_property
    def median_bound(self) -> float:
        """The median bound over the elements, absolute."""
        return float(np.median(self.bound)) if self.bound.size else np.nan

    @cached_property
    def outside(self) -> int:
        """How many elements lie outside their bound."""
        return int(np.count_nonzero(self.deviation > self.bound))

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.reason}" if self.reason else self.status]
        if self.first is not None:
            lines.append(f"  first wrong step: {self.first}")
        if self.outside > 1 and self.worst is not None:
            lines.append(f"  worst: {self.worst}")
        if self.outside:
            lines.append(f"  {self.outside} of {self.deviation.size} elements are outside their bound")
        lines.append(f"  case: {self.case}")
        return "\n".join(lines)
