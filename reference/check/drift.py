"""Drift: answers inside the proven bound, and yet far outside what rounding does.

Every shown output is compared with what its step makes of the state shown before, in units of the typical
error σ (`bound.typical`), and all of them together are projected on small errors (`small_errors`). What is
not shown is carried, and what comes of it is compared in units of a σ that is carried too. The limits
are calibrated, not proven: `python -m tests.benchmarks.drift` measures what correct backends do, and they are
three times as much, or more.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, Arithmetic
from rnn_lockstep.reference.bound.projections import Projection
from rnn_lockstep.reference.check.deviations import Deviations, carried_deviations, deviations
from rnn_lockstep.reference.check.in_words import factor
from rnn_lockstep.reference.check.small_errors import SmallError, outputs_with, right, small_errors
from rnn_lockstep.reference.check.verdict import Verdict
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Cell
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

DTYPES = ("float32", "float16", "bfloat16")  # in float64 the oracle is no better than a backend
BIAS = 0.25  # the part of a function's typical error that goes one way, as far as other errors are concerned
MARGIN = 3  # by which the limits are beyond the worst of any correct backend, or more
BY_ROUNDING = "no further off than {dtype} rounding is, where the proven bound is too wide"
FEWEST = 1000  # elements that a root mean square and a projection need
UNITS = 30  # that a projection needs, each counted once a case


class Limits(NamedTuple):
    """The limits of deviation / σ.

    largest: of one element.  root_mean_square: over elements whose σ is mostly that of sums.
    projection: of the ratio of a projection, where there are any.
    """

    largest: float
    root_mean_square: float
    projection: float = np.inf


# Where there are gates, their errors partly cancel, which σ does not count on.
OF_ONE_SUM, OF_GATES = Limits(16.0, 1.8, 4.0), Limits(9.0, 1.0, 2.5)
OF_ONE_STORED_SUM, OF_STORED_GATES = Limits(7.5, 1.8, 4.0), Limits(5.5, 1.0, 2.5)  # in half types
# Where errors are carried, σ is an estimate from a few drawings, and in half types they are large.
OF_CARRIED, OF_CARRIED_STORED = Limits(15.0, 1.8), Limits(37.0, 2.4)


def limits_of(cell: Cell, dtype: str) -> Limits:
    """The limits for the outputs of a cell in a dtype."""
    one_sum = len(cell.gates) == 1
    if FORMATS[dtype].stored_only:
        return OF_ONE_STORED_SUM if one_sum else OF_STORED_GATES
    return OF_ONE_SUM if one_sum else OF_GATES


def limits_of_carried(dtype: str) -> Limits:
    """The limits for what comes of states that are not shown, in a dtype."""
    return OF_CARRIED_STORED if FORMATS[dtype].stored_only else OF_CARRIED


@dataclass
class Sizes:
    """The sizes of deviations in units of σ, added up.

    elements: compared.  largest: of |deviation| / σ, and where it was.
    counted: the number of elements of the root mean square.  squares: the sum of their (deviation / σ)².
    """

    elements: int = 0
    largest: float = 0.0
    where: str = ""
    counted: int = 0
    squares: float = 0.0

    def add(self, found: Deviations) -> None:
        """Count the elements of an array; for the root mean square, those whose σ is mostly that of sums."""
        ratios = np.abs(found.deviation) / found.sigma
        told = np.isfinite(found.sigma)
        of_sums = told & (found.of_functions < found.sigma * 0.5**0.5)
        self.elements += int(np.count_nonzero(told))
        self.counted += int(np.count_nonzero(of_sums))
        self.squares += float(np.sum(np.square(ratios[of_sums])))
        if ratios.size and ratios.max() > self.largest:
            self.largest = float(ratios.max())
            index = map(int, np.unravel_index(ratios.argmax(), ratios.shape))
            axes = ("batch", "time", "unit") if ratios.ndim == 3 else ("batch", "unit")
            place = (f"{axis} {k}" for axis, k in zip(axes, index, strict=True))
            self.where = ", ".join([*filter(None, [found.name]), *place])

    def merge(self, other: "Sizes") -> None:
        """Add those of other elements."""
        for name in ("elements", "counted", "squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.largest > self.largest:
            self.largest, self.where = other.largest, other.where

    @property
    def root_mean_square(self) -> float:
        """That of deviation / σ where there are enough elements, otherwise 0."""
        return (self.squares / self.counted) ** 0.5 if self.counted >= FEWEST else 0.0

    def beyond(self, limits: Limits) -> float:
        """How many times further off the elements are than those of any correct backend have been."""
        return MARGIN * max(self.largest / limits.largest, self.root_mean_square / limits.root_mean_square)


@dataclass
class Drift:
    """What the answers to some cases of one cell in one dtype show, added up.

    shown: the sizes where each step goes on from a state that is shown.  carried: where it does not.
    limits, carried_limits: of these sizes.
    units: those of the directions compared, each counted once a case.
    projections: by the words of the small error.
    """

    dtype: str = ""
    limits: Limits = OF_ONE_SUM
    carried_limits: Limits = OF_CARRIED
    shown: Sizes = field(default_factory=Sizes)
    carried: Sizes = field(default_factory=Sizes)
    units: int = 0
    projections: dict[str, Projection] = field(default_factory=dict)

    def add(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        """Add a backend's answer to a case, one that matches; nothing where the model does not hold."""
        self.dtype, self.limits = case.dtype.name, limits_of(case.record, case.dtype.name)
        self.carried_limits = limits_of_carried(self.dtype)
        if case.dtype.name not in DTYPES or repeats_numbers(case):
            return
        with np.errstate(all="ignore"):
            found = list(deviations(case, trace, arithmetic))
            for each in found:
                self.add_sizes(each)
            for each in carried_deviations(case, trace, arithmetic):
                self.carried.add(each)
            outputs = [each for each in found if each.one_step]
            names = {each.name for each in outputs}
            expected = outputs_with(case, trace, right(case), names)
            for error in small_errors(case, arithmetic) if outputs else ():
                wrong = outputs_with(case, trace, error, names)
                for each, plain, other in zip(outputs, expected, wrong, strict=True):
                    told = np.isfinite(each.sigma)
                    self.project(error, each, np.where(told, (other - plain) / error.size, 0.0))

    def add_sizes(self, found: Deviations) -> None:
        """Add the sizes of an array's deviations, and the units of one that can be projected."""
        self.shown.add(found)
        self.units += found.sigma.shape[-1] if found.one_step else 0

    def project(self, error: SmallError, found: Deviations, direction: Array) -> None:
        """Project the outputs of a direction (batch, time, H) on what an error of size 1 makes of them."""
        bias = found.of_functions * (1.0 if error.of_function else BIAS)
        arrays = (found.deviation, direction, found.sigma, bias)
        projection = self.projections.setdefault(error.words, Projection())
        projection.add(*(array.reshape(-1, array.shape[-1]) for array in arrays))

    def merge(self, other: "Drift") -> None:
        """Add what other cases of the same cell and dtype show."""
        self.dtype, self.limits, self.carried_limits = other.dtype, other.limits, other.carried_limits
        self.shown.merge(other.shown)
        self.carried.merge(other.carried)
        self.units += other.units
        for words, projection in other.projections.items():
            self.projections.setdefault(words, Projection()).merge(projection)

    @property
    def elements(self) -> int:
        """The number of elements compared."""
        return self.shown.elements + self.carried.elements

    @property
    def beyond(self) -> float:
        """How many times further off the elements are than those of any correct backend have been."""
        return max(self.shown.beyond(self.limits), self.carried.beyond(self.carried_limits))

    @property
    def where(self) -> str:
        """The place of the element that is most beyond its limit."""
        shown, carried = self.shown, self.carried
        more = carried.largest / self.carried_limits.largest > shown.largest / self.limits.largest
        return carried.where if more else shown.where

    @property
    def ratios(self) -> dict[str, float]:
        """The ratios of the projections; none where there are too few elements."""
        if self.units < UNITS or self.shown.elements < FEWEST:
            return {}
        return {words: each.ratio for words, each in self.projections.items()}

    @property
    def error(self) -> str:
        """The words of the small error that explains most, of those that are seen; empty where none is."""
        seen = [
            words
            for words, size in self.ratios.items()
            if size > self.limits.projection and self._fits(words)
        ]
        return max(seen, key=lambda words: self.projections[words].explained, default="")

    def _fits(self, words: str) -> bool:
        """Tell whether the size of a small error is one that it can have: a format of products has one."""
        return not is_of_products(words) or 0.5 < self.projections[words].coefficient < 1.5

    @property
    def reason(self) -> str:
        """What is not as rounding is, in one line; empty where nothing is."""
        if self.error and not is_of_products(self.error):
            what = self.error.format(factor=factor(1 + self.projections[self.error].coefficient))
        elif self.error or self.beyond > MARGIN:
            times = f"{self.beyond:.1f}" if self.beyond < 10 else f"{self.beyond:,.0f}"
            as_what = f"as {self.error} are" if self.error else f"most at {self.where}"
            what = f"{times} times further off than {self.dtype} rounding explains, {as_what}"
        else:
            return ""
        return f"right to the proven bound, but {what} ({self.elements:,} elements)"


def judged_by_rounding(verdict: Verdict, trace: Trace, arithmetic: Arithmetic) -> Verdict:
    """The verdict on an answer of which the proven bound says too little: drift, or else a match.

    The reason of the match says by what it is one. Where nothing is known of rounding either, the verdict
    stays as it is.
    """
    found = Drift()
    found.add(verdict.case, trace, arithmetic)
    if not found.elements:
        return verdict
    if found.reason:
        return replace(verdict, status="drift", reason=found.reason)
    return replace(verdict, status="match", reason=BY_ROUNDING.format(dtype=found.dtype))


def repeats_numbers(case: Case) -> bool:
    """Tell whether W or U has the same numbers again and again, whose rounding then repeats in many units.

    In a half type there are not many numbers, and its roundings are so large that this does not matter.
    """
    if FORMATS[case.dtype.name].stored_only:
        return False
    cells = (case.weights, *case.more_weights)
    return any(2 * len(np.unique(array)) < array.size for w in cells for array in (w.W, w.U))


def is_of_products(words: str) -> bool:
    """Tell whether a small error is one of the format in which products are taken."""
    return words.startswith("products")
