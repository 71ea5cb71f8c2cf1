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

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.error_array import ErrorArray

U64 = 2.0**-53  # unit roundoff of float64, the arithmetic the bound itself is computed in
# float64 ulps of our own value: np.tanh is off by at most 1.2 and expit by 2.3 of them, measured against
# ball arithmetic (tests/unit/reference/test_certified.py); the rest is for rounding the difference.
OWN_ULPS = 4


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

    def activated(self, name: str, function: Callable[[Any], Any]) -> "Rounded":
        """The value of a nondecreasing function that backends have by this name: see `activation`."""
        return activation(name, function, self)

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
    """What np.all tells, at a tenth of its time for small arrays."""
    return bool(np.count_nonzero(bools) == np.size(bools))


@cache
def losses(arithmetic: Arithmetic, terms: int) -> tuple[Any, Any, float]:
    """What a sum of so many terms loses: G, the same of the oracle's own sum, and by underflow at most."""
    stores = arithmetic.stores
    growth = np.expm1(terms * np.log1p(arithmetic.unit_of_sums) + stores * np.log1p(arithmetic.unit))
    own = np.expm1((terms + 2) * np.log1p(U64))
    return growth, own, 2 * terms * arithmetic.flushed + stores / 2 * arithmetic.smallest_subnormal


def matmul(a: Rounded, b: Rounded) -> Rounded:
    """A pending sum of products, each of them one term.

    What came in: the backend's âb̂ is off ab by â(b̂ - b) + (â - a)b, so by at most the sum of
    |â|·error_b + error_a·|b|, with |â| <= magnitude_a; and by |â||b̂| where either is read as zero.
    Where operands are cut to fewer bits, each is off by a factor 1 + d with |d| <= cut.
    Then the sum's own rounding, |a||b| times that of N terms (Higham 2002, section 3.5; see `closed`).
    """
    a, b = a.closed(), b.closed()
    size_a, size_b = a.magnitude, b.magnitude
    error = 0.0
    if has_error(b):
        error = error + size_a @ b.error
    if has_error(a):
        error = error + a.error @ np.abs(b.value)
    # An operand below the smallest normal may be read as zero, which loses its whole product.
    if (lost := subnormal(a)) is not None:
        error = error + (size_a * lost) @ size_b
    if (lost := subnormal(b)) is not None:
        error = error + size_a @ (size_b * lost)
    magnitude, cut = size_a @ size_b, a.arithmetic.cut
    if cut:
        error = error + (2 * cut + cut**2) * magnitude
        magnitude = (1 + cut) ** 2 * magnitude
    return Rounded(a.value @ b.value, a.arithmetic, error, a.value.shape[-1], magnitude)


def has_error(a: Rounded) -> bool:
    """Tell whether any element of a closed array has an error."""
    return bool(np.count_nonzero(a.error))


def subnormal(a: Rounded) -> Any:
    """Tell where a backend's value may be taken for zero though it is not: bools, or None for nowhere."""
    size = a.magnitude
    small = size < a.arithmetic.flushed
    if not np.count_nonzero(small):
        return None
    small = small & (size > 0)
    return small if np.count_nonzero(small) else None


def add(a: Rounded, b: Rounded) -> Rounded:
    """The sum of two sums, in which a closed array is a single term.

    What came in adds up, and so do the sums of |terms| and the numbers of them.
    """
    terms = max(a.terms, 1) + max(b.terms, 1)
    return Rounded(a.value + b.value, a.arithmetic, a.error + b.error, terms, a.magnitude + b.magnitude)


def subtract(a: Rounded, b: Rounded) -> Rounded:
    return add(a, Rounded(-b.value, b.arithmetic, b.error, b.terms, b.magnitude))


def multiply(a: Rounded, b: Rounded) -> Rounded:
    """A product, a pending sum of one term. What came in is as for `matmul`.

    It counts as two terms because frameworks factor sums of products: torch's GRU computes n + z∘(h - n)
    for (1 - z)∘n + z∘h, which takes one more rounding on the way of each term. The mirrored form
    h + (1 - z)∘(n - h) is not covered: where z∘h is small it loses what |h| has lost.
    """
    a, b = a.closed(), b.closed()
    size_a, size_b = a.magnitude, b.magnitude
    error = np.abs(a.value) * b.error + a.error * size_b
    lost_a, lost_b = subnormal(a), subnormal(b)
    if lost_a is not None or lost_b is not None:
        lost = lost_b if lost_a is None else lost_a if lost_b is None else lost_a | lost_b
        error = error + size_a * size_b * lost
    return Rounded(a.value * b.value, a.arithmetic, error, 2, size_a * size_b)


def divide(a: Rounded, b: Rounded) -> Rounded:
    """The quotient by an exact constant; some backends multiply by its rounded reciprocal.

    Its two roundings are the two that a product counts for.
    """
    return multiply(a, Rounded(1 / b.value, b.arithmetic))


def monotone(function: Callable[[Any], Any], z: Rounded) -> Rounded:
    """A nondecreasing function that returns one of its arguments, or a constant, and does not round.

    P = max(f(z + error) - f(z), f(z) - f(z - error))

    The backend's argument lies in [z - error, z + error], so its result lies between the function's
    values at the two ends, and no further off than P.
    """
    z = z.closed()
    value = function(z.value)
    error = np.maximum(function(z.value + z.error) - value, value - function(z.value - z.error))
    return Rounded(value, z.arithmetic, infinite_unless(z.error < np.inf, error))


class Slope(NamedTuple):
    """The derivative f' of a smooth nondecreasing function, by its value y, or a little more.

    change: a number c with |f''| <= c·f', so that within e of an argument f' grows by exp(c·e) at most.
    """

    at_value: Callable[[Any], Any]
    change: float


# More than 1 - y and 1 - y² lose in float64, y being off by up to 3 of its units 2^-53.
LOST = 16 * U64
# tanh'' = -2·tanh·tanh' and, of the sigmoid s, s'' = (1 - 2s)·s'.
SLOPES = {
    "tanh": Slope(lambda y: 1 - y * y + LOST, 2.0),
    "sigmoid": Slope(lambda y: y * (1 - y + LOST), 1.0),
}
CLOSE = 2.0**-12  # the largest error of an argument for which the slope is taken


def smooth(function: Callable[[Any], Any], slope: Slope, z: Rounded) -> Rounded:
    """The same as `monotone`, at the cost of one evaluation where all errors are small.

    P = error · (1 + 1.01·c·error) · f'(z)

    By the mean value theorem, and as exp(c·error) is less than the factor, it is no less than `monotone`'s
    P; nor is it more than 1.001 times that.
    """
    z = z.closed()
    if not all_true(z.error <= CLOSE):
        return monotone(function, z)
    value = function(z.value)
    return Rounded(
        value, z.arithmetic, slope.at_value(value) * (z.error * (1 + 1.01 * slope.change * z.error))
    )


# The loss by overflow, beside a function's declared error, in units of 1 / the largest number. A sigmoid as
# 1 / (1 + exp(-z)) is zero where exp overflows, in float16 from -11.1 down; torch's float32 below 1.6e-38.
OVERFLOWS = {"sigmoid": 1.0}


def activation(name: str, function: Callable[[Any], Any], z: Rounded) -> Rounded:
    """A nondecreasing function as a backend computes it; where its value exceeds 1 it does not round.

    error of the result = P + (k + own · 2^-53 / u) · ulp(min(|f(z)| + P, 1)) + lost

    with P as for `monotone`, k the ulps that the backend's function is off by, and own those of float64
    that ours is. `lost` does not shrink with the result: zero that is given for a number so small, and
    the absolute error that is declared.
    """
    arithmetic, slope = z.arithmetic, SLOPES.get(name)
    exact = smooth(function, slope, z) if slope else monotone(function, z)
    declared = arithmetic.error_of(name)
    error = arithmetic.ulp(np.minimum(exact.magnitude, 1.0))
    error *= declared.ulps + OWN_ULPS * U64 / arithmetic.unit
    error += 2 * arithmetic.flushed + OVERFLOWS.get(name, 0.0) / arithmetic.largest + declared.absolute
    error += exact.error
    return Rounded(exact.value, arithmetic, infinite_unless(exact.error < np.inf, error))


def absolute(z: Rounded) -> Rounded:
    """The size |z|, which does not round and is as far off as z."""
    z = z.closed()
    return Rounded(np.abs(z.value), z.arithmetic, z.error)


def maximum(z: Rounded, floor: Rounded) -> Rounded:
    """The larger of z and an exact constant: it returns one of the two, so it does not round."""
    return monotone(lambda x: np.maximum(x, floor.value), z)


def minimum(z: Rounded, ceiling: Rounded) -> Rounded:
    """The smaller of z and an exact constant."""
    return monotone(lambda x: np.minimum(x, ceiling.value), z)


def greater(a: Rounded, b: Rounded) -> Rounded:
    """The comparison a > b as 1 or 0, one of the two exact: a derivative that jumps.

    The error is 1 where a backend may be on either side. A clipped number, such as relu's 0, has no
    error, and is on no other side than its bound.
    """
    a, b = a.closed(), b.closed()
    error = np.broadcast_to(a.error + b.error, np.broadcast_shapes(a.shape, b.shape))
    known = (a.value - error > b.value) | (a.value + error <= b.value)
    return Rounded(a.value > b.value, a.arithmetic, np.where(known, 0.0, 1.0))


def where(like: Rounded, condition: Any, a: Any, b: Any) -> Rounded:
    """The choice of np.where: a pending sum of two pending sums, otherwise of closed arrays."""
    a, b = like.wrapped(a), like.wrapped(b)
    if not (a.terms and b.terms):
        a, b = a.closed(), b.closed()
    value, error, magnitude = (
        np.where(condition, x, y)
        for x, y in ((a.value, b.value), (a.error, b.error), (a.magnitude, b.magnitude))
    )
    return Rounded(value, a.arithmetic, error, max(a.terms, b.terms), magnitude)


def concatenate(like: Rounded, arrays: Sequence[Any], axis: int) -> Rounded:
    """The closed arrays, joined by np.concatenate."""
    closed = [like.wrapped(array).closed() for array in arrays]
    errors = [np.broadcast_to(array.error, array.shape) for array in closed]
    value = np.concatenate([array.value for array in closed], axis)
    return Rounded(value, like.arithmetic, np.concatenate(errors, axis))


def empty_like(like: Rounded, array: Rounded, shape: tuple[int, ...]) -> Rounded:
    """An array of np.empty_like, to be filled part by part."""
    return Rounded(np.empty(shape), like.arithmetic, np.empty(shape))


Rounded.rules = {
    np.matmul: matmul,
    np.add: add,
    np.subtract: subtract,
    np.multiply: multiply,
    np.divide: divide,
    np.tanh: partial(activation, "tanh", np.tanh),
    expit: partial(activation, "sigmoid", expit),
    np.absolute: absolute,
    np.maximum: maximum,
    np.minimum: minimum,
    np.greater: greater,
    np.less: lambda a, b: greater(b, a),
}

# The functions, as opposed to ufuncs, that a loop over time and layers needs.
Rounded.functions = {
    np.where: where,
    np.concatenate: concatenate,
    np.empty_like: empty_like,
}
