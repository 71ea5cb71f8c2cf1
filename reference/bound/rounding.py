"""The operations on `Rounded` arrays, as tables by what NumPy calls them.

The bound on a sum is in `rounded.py`, that on a function's value in `nondecreasing.py`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from rnn_lockstep.reference.bound.nondecreasing import absolute, activation, maximum, minimum
from rnn_lockstep.reference.bound.rounded import Rounded, has_error

__all__ = ["Rounded"]  # to be had from here, where its operations are


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
    for (1 - z)∘n + z∘h, which takes one more rounding on the way of each term. Of the mirrored form see
    `Rounded.as_rest`.
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


Rounded.activation = activation
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
