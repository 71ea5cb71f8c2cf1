"""Arrays that carry a bound on the rounding error of a backend computing the same formula.

`Rounded` stands for every value a correct backend may hold: |backend's value - value| <= error.

A sum stays pending (value, sum of |terms|, number of terms) until a nonlinear operation closes it.
So the bound holds for any order of summation, with or without fused multiply-add.

Source: Higham, Accuracy and Stability of Numerical Algorithms (2nd ed., 2002). Its section 2.2 has the
model: every operation is right but for a factor 1 + d with |d| <= u, and for what underflows. Sections
3.1 and 4.2 have the sum: N rounded products, in any order, are off by at most ((1+u)^N - 1) * sum of
|terms|, which is at most gamma_N * sum of |terms| with gamma_N = Nu / (1 - Nu). Section 3.3 has the way:
an error bound computed beside the value (running error analysis).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.error_array import ErrorArray

U64 = 2.0**-53  # unit roundoff of float64, the arithmetic the bound itself is computed in


class Rounded(ErrorArray):
    """An array a backend may hold with an error of at most `error`, elementwise.

    value: float64, as the oracle computes it.
    error: float64 array or 0.0. Infinite where the backend may overflow: nothing is known there.
    terms: the number of terms of a pending sum, whose rounding `error` does not include yet, or 0.
    """

    def __init__(
        self, value: Any, arithmetic: Arithmetic, error: Any = 0.0, terms: int = 0, magnitude: Any = None
    ) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.arithmetic = arithmetic
        self.error = error
        self.terms = terms
        self._magnitude = magnitude
        self._transpose: Rounded | None = None

    @property
    def magnitude(self) -> Any:
        """The sum of |terms| of a pending sum; otherwise how large a backend's value may be."""
        if self._magnitude is None:
            size = np.abs(self.value)
            self._magnitude = size + self.error if has_error(self) else size
        return self._magnitude

    @property
    def T(self) -> "Rounded":
        """The transpose. It is kept: a matrix of weights is asked for it at every step."""
        if self._transpose is None:
            self._transpose = self._each(np.transpose)
        return self._transpose

    def __setitem__(self, index: Any, part: "Rounded") -> None:
        """Replace a part of a full array, one that `np.empty_like` has made."""
        part = part.closed()
        self.value[index], self.error[index] = part.value, part.error
        self._magnitude = self._transpose = None

    def _each(self, change: Callable[[Any], Any]) -> "Rounded":
        """Make the same change of form to value, error and magnitude."""
        error = change(self.error) if isinstance(self.error, np.ndarray) else self.error
        magnitude = None if self._magnitude is None else change(self._magnitude)
        return Rounded(change(self.value), self.arithmetic, error, self.terms, magnitude)

    def wrapped(self, x: Any) -> "Rounded":
        """The operand x as a `Rounded` array; plain numbers have no error."""
        return x if isinstance(x, Rounded) else Rounded(x, self.arithmetic)

    def as_rest(self, name: str) -> "Rounded":
        """See `ErrorArray.as_rest`. With y for the value, k for the function's ulps and r = 1 - y:

        error + k·max(ulp(r) - ulp(y), 0) + 3u·r

        for r's own error, which is then y's too, and for the three roundings of r∘h, n - h and their product
        in h + r∘(n - h), which do not shrink with y.
        """
        rest, ulp = np.abs(1 - self.value), self.arithmetic.ulp
        more = self.arithmetic.error_of(name).ulps * np.maximum(ulp(rest) - ulp(self.value), 0)
        error = self.error + more + 3 * self.arithmetic.unit * rest
        return Rounded(self.value, self.arithmetic, error)

    def stored_again(self) -> "Rounded":
        """See `ErrorArray.stored_again`: (1 + G) (1 + v) - 1 = G + (1 + G) v in place of G, see `closed`."""
        if not self.arithmetic.stores:
            return self
        lost = self.arithmetic.unit * self.magnitude + self.arithmetic.smallest_subnormal / 2
        return Rounded(self.value, self.arithmetic, self.error + lost, self.terms, self.magnitude)

    def closed(self) -> "Rounded":
        """The pending sum, summed: its rounding and underflow go into the error (Higham, as above).

        error = G * S + (1 + G) * (what came in + 2 N * smallest normal),  G = (1+u)^N - 1

        for N terms and S = sum of |terms|. Each term may be flushed to zero once as an operand or a
        product and once in an addition. The oracle's own float64 sum is off by the same formula with
        u = 2^-53; two more terms there pay for the rounding of this bound.
        In a half type with unit roundoff v, sums are accumulated in float32 and stored up to 4 times:
        G = (1+u)^N (1+v)^4 - 1, and each store of a subnormal loses at most half of the smallest one.
        Where S may overflow the dtype, overflow depends on the order and the error is infinite.
        """
        if self.terms == 0:
            return self
        growth, own, underflow = losses(self.arithmetic, self.terms)
        error = (growth + own) * self.magnitude
        error += (1 + growth) * (self.error + underflow)
        fits = self.magnitude <= self.arithmetic.largest / (1 + growth)  # False for NaN
        return Rounded(
            self.value, self.arithmetic, infinite_unless(fits, infinite_unless(error < np.inf, error))
        )


def infinite_unless(known: Any, error: Any) -> Any:
    """The error where it is known, and infinity elsewhere. known: bools."""
    return error if all_true(known) else np.where(known, error, np.inf)


def all_true(bools: Any) -> bool:
    """Tell whether all are true, faster than np.all for small arrays."""
    return bool(np.count_nonzero(bools) == np.size(bools))


def has_error(a: Rounded) -> bool:
    """Tell whether any element of a closed array has an error."""
    return bool(np.count_nonzero(a.error))


@cache
def losses(arithmetic: Arithmetic, terms: int) -> tuple[Any, Any, float]:
    """What a sum of so many terms loses: G, the same of the oracle's own sum, and by underflow at most."""
    stores = arithmetic.stores
    growth = np.expm1(terms * np.log1p(arithmetic.unit_of_sums) + stores * np.log1p(arithmetic.unit))
    own = np.expm1((terms + 2) * np.log1p(U64))
    return growth, own, 2 * terms * arithmetic.flushed + stores / 2 * arithmetic.smallest_subnormal
