"""A verdict: the finding of a trace's comparisons with the oracle, also in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnn_lockstep.reference.check.comparison import Comparison, Element
from rnn_lockstep.reference.check.reasons import reason
from rnn_lockstep.reference.oracle.case import Case


@dataclass(frozen=True, eq=False)
class Verdict:
    """The comparison of one trace with the oracle.

    status: "match" (every element lies within a bound that means something), "mismatch" (one does not,
    or the trace has the wrong form) or "inconclusive" (nothing is wrong, but not everything is shown).
    Where rounding is judged too, also "drift" (no mismatch, but further off than rounding explains).
    reason: one line, empty for a match by the proven bound.
    comparisons: of every array in the trace, in the order in which they are computed; none for a trace
    of the wrong form.
    """

    case: Case
    status: str
    reason: str
    comparisons: tuple[Comparison, ...] = ()

    @property
    def wrong(self) -> Comparison | None:
        """The first array with an element outside its bound."""
        return next((c for c in self.comparisons if c.outside.any()), None)

    @property
    def first(self) -> Element | None:
        """The first element outside its bound, of the first array that has one."""
        return self.wrong.first if self.wrong else None

    @property
    def worst(self) -> Element | None:
        """The element with the largest deviation as a fraction of its bound."""
        return max(self.comparisons, key=lambda c: c.ratio).worst if self.comparisons else None

    @property
    def ratio(self) -> float:
        """The largest deviation as a fraction of its bound; 0 when nothing was compared."""
        return max((c.ratio for c in self.comparisons), default=0.0)

    @property
    def median_bound(self) -> float:
        """The median of the bound, absolute, over all elements that are not mere copies."""
        bounds = [c.bound.ravel() for c in self.comparisons if c.bound.size and not c.copy]
        return float(np.median(np.concatenate(bounds))) if bounds else np.nan

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.reason}" if self.reason else self.status]
        if self.wrong:
            outside, of_it = self.wrong.outside, f" of {self.wrong.name}" if self.wrong.name else ""
            what = "step" if self.wrong.outside.ndim == 3 and not self.wrong.axes else "element"
            lines.append(f"  first wrong {what}: {self.wrong.first}")
            if self.wrong.worst != self.wrong.first:
                lines.append(f"  worst: {self.wrong.worst}")
            lines.append(f"  {outside.sum()} of {outside.size} elements{of_it} are outside their bound")
        lines.append(f"  case: {self.case}")
        return "\n".join(lines)


def verdict_on(case: Case, comparisons: Sequence[Comparison], empty: bool) -> Verdict:
    """The verdict that these comparisons make, in the order in which their arrays are computed.

    empty: the case has no elements, so that nothing was compared.
    """
    found = tuple(comparisons)
    for k, comparison in enumerate(found):
        if comparison.outside.any():
            return Verdict(case, "mismatch", reason(case, found[: k + 1], found[k + 1 :]), found)
    if empty:
        return Verdict(case, "inconclusive", "the case is empty: nothing to compare", found)
    if vacuous := sum(comparison.vacuous for comparison in found if not comparison.copy):
        elements = sum(comparison.bound.size for comparison in found if not comparison.copy)
        wide = f"{vacuous} of {elements} bounds are too wide to prove anything"
        return Verdict(case, "inconclusive", wide, found)
    return Verdict(case, "match", "", found)
