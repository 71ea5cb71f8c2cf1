"""One array of a trace beside what it should be: how far off it is, where first and where most."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.validation import Array

# A bound wider than this share of the state's range proves nothing. A half type's own roundings are
# wider than a thousandth of it already; there it is 64 of them.
SHARE = {"float64": 1e-3, "float32": 1e-3, "float16": 2.0**-5, "bfloat16": 2.0**-2}


@dataclass(frozen=True)
class Element:
    """One compared element: its place, what the backend answered and what it should have been.

    name: the array's, empty for the outputs of the only cell.  index: by the name of the axis.
    """

    name: str
    index: Mapping[str, int]
    observed: float
    expected: float
    deviation: float
    bound: float
    ulp: float  # distance between neighbouring numbers of the case's dtype at `expected`

    @property
    def batch(self) -> int:
        return self.index["batch"]

    @property
    def time(self) -> int | None:
        """The step; None in a final state, a last output or a gradient that has no time."""
        return self.index.get("time")

    @property
    def unit(self) -> int:
        return self.index["unit"]

    def __str__(self) -> str:
        parts = [self.name] if self.name else []
        where = ", ".join(parts + [f"{axis} {i}" for axis, i in self.index.items()])
        values = f"{where}: observed {self.observed:.9g}, expected {self.expected:.9g}, off by "
        if self.expected == 0:  # whose ulps are no measure
            return f"{values}{self.deviation:.3g} where {self.bound:.3g} is allowed"
        return f"{values}{self.deviation / self.ulp:.3g} ulps where {self.bound / self.ulp:.3g} are allowed"


@dataclass(frozen=True, eq=False)
class Comparison:
    """An array of a backend beside what it should be, and the bound on their difference.

    observed: outputs (batch, time, units), a final state or last output (batch, units), or a gradient.
    expected, bound: of the same shape, float64; the bound is infinite where nothing is known.
    name: the array's, for messages; empty for the outputs of the only cell.
    bounded: its numbers lie between -1 and 1, or not much further.
    reverse: the steps were run from the last to the first.
    one_step: each step is judged from the backend's own state before; otherwise errors add up.
    copy: of numbers that are elsewhere in the trace: the bound is 0, unless they may be computed twice.
    axes: what they are called, where that is not batch, time and unit, or batch and unit.
    """

    name: str
    observed: Array
    expected: Array
    bound: Array
    bounded: bool = True
    reverse: bool = False
    one_step: bool = False
    copy: bool = False
    axes: tuple[str, ...] = ()

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic of the observed array's dtype, its functions taken for unmeasured."""
        return Arithmetic(self.observed.dtype)

    @property
    def vacuous(self) -> int:
        """The number of bounds that prove nothing, being infinite or too wide a share of the state's range.

        tanh, GRU and LSTM range over (-1, 1). relu and cell states range up to the largest that is
        expected. Where all are tiny, for example zero, the range is the root of the smallest normal number.
        """
        return self.vacuous_in(self.observed.dtype.name)

    def vacuous_in(self, dtype: str) -> int:
        """The number of bounds that would prove nothing in an answer of this dtype."""
        share = SHARE[dtype]
        if self.bounded:
            limit = share * 2
        else:
            size = np.abs(self.expected)
            least = self.arithmetic.smallest_normal**0.5
            limit = share * float(np.max(size, initial=least, where=np.isfinite(size)))
        return int(np.count_nonzero((self.bound > limit) | np.isinf(self.bound)))

    @cached_property
    def deviation(self) -> Array:
        """The size |observed - expected|, infinite for NaN, and 0 where the bound is infinite."""
        with np.errstate(invalid="ignore"):
            off: Array = np.abs(self.observed.astype(np.float64) - self.expected)
        if not np.isfinite(off).all():
            off[np.isnan(off)] = np.inf
            same = (self.observed == self.expected) | np.isnan(self.observed) & np.isnan(self.expected)
            off[same | np.isinf(self.bound)] = 0.0
        return off

    @cached_property
    def outside(self) -> Array:
        """The elements outside their bound, as bools of the array's shape."""
        return self.deviation > self.bound

    @cached_property
    def first(self) -> Element | None:
        """The first element outside its bound: the step run earliest, there the first row and unit."""
        if not self.outside.any():
            return None
        if self.axes or self.outside.ndim == 2:
            return self.element(*np.argwhere(self.outside)[0])
        time = np.flatnonzero(self.outside.any(axis=(0, 2)))[-1 if self.reverse else 0]
        batch, unit = np.argwhere(self.outside[:, time])[0]
        return self.element(batch, time, unit)

    @property
    def ratios(self) -> Array:
        """The deviations as fractions of their bounds."""
        exact = np.where(self.deviation > 0, np.inf, 0.0)  # where no deviation at all is allowed
        with np.errstate(over="ignore"):  # of a bound that is subnormal
            return np.divide(self.deviation, self.bound, out=exact, where=self.bound > 0)

    @cached_property
    def worst(self) -> Element | None:
        """The element with the largest deviation as a fraction of its bound."""
        if not self.bound.size:
            return None
        return self.element(*np.unravel_index(self.ratios.argmax(), self.bound.shape))

    @property
    def ratio(self) -> float:
        """The largest deviation as a fraction of its bound; 0 when nothing was compared."""
        if self.worst is None or self.worst.deviation == 0:
            return 0.0
        return self.worst.deviation / self.worst.bound if self.worst.bound else np.inf

    def at(self, places: Array, axis: int) -> "Comparison":
        """The comparison of the numbers at some places of an axis only. places: bools along it."""
        observed, expected, bound = (
            each.compress(places, axis) for each in (self.observed, self.expected, self.bound)
        )
        return replace(self, observed=observed, expected=expected, bound=bound)

    def element(self, *index: "int | np.intp") -> Element:
        """The element at an index, in full."""
        observed, expected, deviation, bound = (
            float(array[index]) for array in (self.observed, self.expected, self.deviation, self.bound)
        )
        with np.errstate(invalid="ignore"):  # of an infinite number there is none
            ulp = float(self.arithmetic.ulp([expected])[0])
        axes = self.axes or (("batch", "unit") if len(index) == 2 else ("batch", "time", "unit"))
        where = {axis: int(i) for axis, i in zip(axes, index, strict=True)}
        return Element(self.name, where, observed, expected, deviation, bound, ulp)


def comparison(
    name: str,
    observed: Array,
    expected: Any,
    *,
    bounded: bool,
    reverse: bool = False,
    one_step: bool = False,
    twice: Any = 0.0,
    axes: tuple[str, ...] = (),
) -> Comparison:
    """Compare with an array that carries its error, or with a plain one that is to be copied.

    twice: how far a copy may be off, which has been computed a second time.
    """
    if isinstance(expected, Rounded):
        value, error = expected.closed().value, expected.closed().error
        bound = np.where(np.isfinite(value) & (error < np.inf), error, np.inf)
        return Comparison(name, observed, value, bound, bounded, reverse, one_step, axes=axes)
    bound = twice + np.zeros(expected.shape)
    return Comparison(name, observed, expected, bound, bounded, copy=True, axes=axes)


def comparison_with_mistake(name: str, observed: Array, expected: Any, bounded: bool) -> Comparison:
    """Compare with what a mistake makes of an array; NaN must be just where the mistake makes NaN."""
    compared = comparison(name, observed, expected, bounded=bounded)
    return replace(compared, bound=np.where(np.isnan(compared.expected), 0.0, compared.bound))
