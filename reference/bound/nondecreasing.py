"""The functions of `Rounded` arrays that never decrease: activations, minimum and maximum."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.rounded import U64, Rounded, all_true, infinite_unless

# float64 ulps of our own value: np.tanh is off by at most 1.2 and expit by 2.3 of them, measured against
# ball arithmetic (tests/unit/reference/test_certified.py); the rest is for rounding the difference.
OWN_ULPS = 4


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
