"""Drift: answers inside the proven bound, and yet far outside what rounding does.

Every shown output is compared with what its step makes of the state shown before, in units of the typical
error σ (`bound.typical`), and all of them together are projected on small errors (`small_errors`). The limits
are calibrated, not proven: `python -m tests.benchmarks.drift` measures what correct backends do, and they are
three times as much, or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, Arithmetic, FunctionError
from rnn_lockstep.reference.bound.projections import Projection
from rnn_lockstep.reference.bound.typical import Typical
from rnn_lockstep.reference.check.small_errors import outputs_with, right, small_errors
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Cell
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import Reading
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

DTYPES = ("float32", "float16", "bfloat16")  # in float64 the oracle is no better than a backend
PROJECTION = 4.0  # the limit of a projection's ratio
BIAS = 0.25  # the part of a function's typical error that goes one way, as far as other errors are concerned
MARGIN = 3  # by which the limits are beyond the worst of any correct backend, or more
FEWEST = 1000  # elements that a root mean square and a projection need
UNITS = 30  # that a projection needs, each counted once a case
NO_ERROR = dict.fromkeys(ACTIVATIONS, FunctionError(0.0))


class Limits(NamedTuple):
    """The limits of deviation / σ.

    largest: of one element.  root_mean_square: over elements whose σ is mostly that of sums.
    """

    largest: float
    root_mean_square: float


# Where there are gates, their errors partly cancel, which σ does not count on.
OF_ONE_SUM, OF_ONE_STORED_SUM, OF_GATES = Limits(15.0, 1.8), Limits(7.5, 1.8), Limits(7.0, 1.0)


def limits_of(cell: Cell, dtype: str) -> Limits:
    """The limits for the outputs of a cell in a dtype."""
    if len(cell.gates) > 1:
        return OF_GATES
    return OF_ONE_STORED_SUM if FORMATS[dtype].stored_only else OF_ONE_SUM


def as_typical(arithmetic: Arithmetic) -> Reading:
    """The ways to take an array as one that carries the typical error of a backend with this arithmetic."""

    def exact(array: Array) -> Any:
        return array if isinstance(array, Typical) else Typical(array, arithmetic)

    def kept(state: Array) -> Any:
        return Typical(state, arithmetic, arithmetic.kept_error(np.asarray(state, np.float64)) / 3**0.5)

    return Reading(exact, kept, kept)


class Deviations(NamedTuple):
    """The outputs of one direction beside what each step makes of the state shown before it.

    deviation: observed - expected.  sigma: the typical error, infinite where nothing is told.
    of_functions: the part of σ that is the functions' own. Each (batch, time, H).
    """

    name: str
    deviation: Array
    sigma: Array
    of_functions: Array


def deviations(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Deviations]:
    """The deviations of each direction whose outputs and inputs are shown."""
    sums_only = replace(arithmetic, functions=NO_ERROR)
    whole, of_sums = (
        from_shown_states(case, trace, as_typical(each)).layers(case) for each in (arithmetic, sums_only)
    )
    for k, (runs, others) in enumerate(zip(whole, of_sums, strict=True)):
        for run, other in zip(runs, others, strict=True):
            if run.observed is None:
                continue
            told = case.valid[..., None] & (np.abs(run.outputs.value) > arithmetic.smallest_normal)
            told = told & (k == 0 or bool(trace.hidden_outputs))
            sigma = np.where(told & (run.outputs.sigma > 0), run.outputs.sigma, np.inf)
            functions = np.square(run.outputs.sigma) - np.square(other.outputs.sigma)
            deviation = run.observed.astype(np.float64) - run.outputs.value
            yield Deviations(run.direction.name, deviation, sigma, np.sqrt(np.maximum(functions, 0.0)))


@dataclass
class Drift:
    """What the answers to some cases of one cell in one dtype show, added up.

    limits: those of the cell.  elements: compared.  largest: of |deviation| / σ, and where it was.
    of_sums: the number of elements whose σ is mostly that of sums.
    squares: the sum of (deviation / σ)² over these.
    units: those of the directions compared, each counted once a case.
    projections: by the words of the small error.
    """

    dtype: str = ""
    limits: Limits = OF_ONE_SUM
    elements: int = 0
    largest: float = 0.0
    where: str = ""
    of_sums: int = 0
    squares: float = 0.0
    units: int = 0
    projections: dict[str, Projection] = field(default_factory=dict)

    def add(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        """Add a backend's answer to a case, one that matches; nothing where the model does not hold."""
        self.dtype, self.limits = case.dtype.name, limits_of(case.record, case.dtype.name)
        if case.dtype.name not in DTYPES or repeats_numbers(case):
            return
        with np.errstate(all="ignore"):
            found = list(deviations(case, trace, arithmetic))
            for each in found:
                self._add_sizes(each)
            expected = outputs_with(case, trace, right(case))
            for error in small_errors(case):
                projection = self.projections.setdefault(error.words, Projection())
                for each, plain, wrong in zip(found, expected, outputs_with(case, trace, error), strict=True):
                    direction = (wrong - plain) / error.size
                    bias = each.of_functions * (1.0 if error.of_function else BIAS)
                    arrays = (each.deviation, direction, each.sigma, bias)
                    projection.add(*(array.reshape(-1, array.shape[-1]) for array in arrays))

    def merge(self, other: "Drift") -> None:
        """Add what other cases of the same cell and dtype show."""
        self.dtype, self.limits = other.dtype, other.limits
        for name in ("elements", "of_sums", "squares", "units"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.largest > self.largest:
            self.largest, self.where = other.largest, other.where
        for words, projection in other.projections.items():
            self.projections.setdefault(words, Projection()).merge(projection)

    def _add_sizes(self, found: Deviations) -> None:
        """Count the elements of one direction, and how large they are."""
        ratios = np.abs(found.deviation) / found.sigma
        told = np.isfinite(found.sigma)
        of_sums = told & (found.of_functions < found.sigma * 0.5**0.5)
        self.elements += int(np.count_nonzero(told))
        self.of_sums += int(np.count_nonzero(of_sums))
        self.squares += float(np.sum(np.square(ratios[of_sums])))
        self.units += ratios.shape[-1]
        if ratios.size and ratios.max() > self.largest:
            self.largest = float(ratios.max())
            batch, time, unit = np.unravel_index(ratios.argmax(), ratios.shape)
            self.where = ", ".join(filter(None, (found.name, f"batch {batch}, time {time}, unit {unit}")))

    @property
    def root_mean_square(self) -> float:
        """That of deviation / σ where there are enough elements, otherwise 0."""
        return (self.squares / self.of_sums) ** 0.5 if self.of_sums >= FEWEST else 0.0

    @property
    def beyond(self) -> float:
        """How many times further off the elements are than those of any correct backend have been."""
        largest = self.largest / self.limits.largest
        return MARGIN * max(largest, self.root_mean_square / self.limits.root_mean_square)

    @property
    def ratios(self) -> dict[str, float]:
        """The ratios of the projections; none where there are too few elements."""
        if self.units < UNITS or self.elements < FEWEST:
            return {}
        return {words: each.ratio for words, each in self.projections.items()}

    @property
    def error(self) -> str:
        """The words of the small error that explains most, of those that are seen; empty where none is."""
        seen = [words for words, size in self.ratios.items() if size > PROJECTION and self._fits(words)]
        return max(seen, key=lambda words: self.projections[words].explained, default="")

    def _fits(self, words: str) -> bool:
        """Tell whether the size of a small error is one that it can have: a format of products has one."""
        return not is_of_products(words) or 0.5 < self.projections[words].coefficient < 1.5

    @property
    def reason(self) -> str:
        """What is not as rounding is, in one line; empty where nothing is."""
        if self.error and not is_of_products(self.error):
            what = self.error.format(factor=factor(self.projections[self.error].coefficient))
        elif self.error or self.beyond > MARGIN:
            times = f"{self.beyond:.1f}" if self.beyond < 10 else f"{self.beyond:,.0f}"
            as_what = f"as {self.error} are" if self.error else f"most at {self.where}"
            what = f"{times} times further off than {self.dtype} rounding explains, {as_what}"
        else:
            return ""
        return f"right to the proven bound, but {what} ({self.elements:,} elements)"


def repeats_numbers(case: Case) -> bool:
    """Tell whether W or U has the same numbers again and again, whose rounding then repeats in many units.

    In a half type there are not many numbers, and its roundings are so large that this does not matter.
    """
    if FORMATS[case.dtype.name].stored_only:
        return False
    cells = (case.weights, *case.more_weights)
    return any(2 * len(np.unique(array)) < array.size for w in cells for array in (w.W, w.U))


def factor(coefficient: float) -> str:
    """The factor 1 + ε with two digits of ε."""
    digits = 1 - int(np.floor(np.log10(abs(coefficient))))
    return f"{1 + coefficient:.{max(digits, 1)}f}".rstrip("0").rstrip(".")


def is_of_products(words: str) -> bool:
    """Tell whether a small error is one of the format in which products are taken."""
    return words.startswith("products")
