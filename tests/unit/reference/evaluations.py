"""Correct ways to add up products that differ in all that a backend may choose.

The products are dealt out to a number of running sums, as to the lanes of a vector register, and a tree
of additions joins these: one lane is a plain loop, as many lanes as products a tree. The products come
in any order, each may be added by a fused multiply-add, and subnormal numbers may be flushed to zero.
Numbers of a half type are computed with in float32; any operation may store its results in the half type.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

ORDERS = ("in order", "reversed", "shuffled")
LANES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Evaluation:
    """A way to add up: in which order, in how many lanes, with FMA or not, flushing or not."""

    order: str = "in order"
    lanes: int = 1
    fused: bool = False
    flushed: bool = False

    def __call__(self, a, b):
        """The sum of products over the last axis of two arrays of one dtype."""
        a, b = (self.flush(dealt(x, self.order, self.lanes)) for x in np.broadcast_arrays(a, b))
        totals = np.zeros_like(a[..., 0, :])
        for k in range(a.shape[-2]):
            totals = self.multiply_add(a[..., k, :], b[..., k, :], totals)
        while totals.shape[-1] > 1:
            totals = self.flush(totals[..., ::2] + totals[..., 1::2])
        return totals[..., 0]

    def multiply_add(self, a, b, c):
        """The sum a·b + c, rounded and flushed once or twice."""
        return self.flush(fused_multiply_add(a, b, c) if self.fused else self.flush(a * b) + c)

    def flush(self, x):
        """Replace subnormal numbers by zero, where that is this evaluation's way."""
        if not self.flushed:
            return x
        return np.where(np.abs(x) < np.finfo(x.dtype).smallest_normal, x.dtype.type(0), x)


EVALUATIONS = [
    Evaluation(order, lanes, fused, flushed)
    for order in ORDERS
    for lanes in LANES
    for fused in (False, True)
    for flushed in (False, True)
]


def dealt(x, order, lanes):
    """The last axis in some order, as (rounds, lanes), filled up with zeros, which add nothing."""
    terms = x.shape[-1]
    places = np.random.default_rng(terms).permutation(terms) if order == "shuffled" else np.arange(terms)
    x = x[..., places[::-1] if order == "reversed" else places]
    rest = np.zeros((*x.shape[:-1], -terms % lanes), x.dtype)
    return np.concatenate([x, rest], axis=-1).reshape(*x.shape[:-1], -1, lanes)


def fused_multiply_add(a, b, c):
    """The fused a·b + c, rounded once, to the dtype of the operands.

    In float64, as a fraction of integers, whose division Python rounds correctly. In a narrower dtype,
    where float64 holds the product exactly, the sum is rounded to odd before it is rounded to the dtype:
    of its two neighbours in float64 the one with an odd last bit. That leaves no number half-way that
    was not half-way before. A mere float64 sum would be rounded twice, and can be off.
    Source: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
    rounding to odd", IEEE Trans. Computers 57 (2008); it needs two bits more than the dtype has. What
    the sum lost is found by Knuth's TwoSum.
    """
    if a.dtype == np.float64:
        return EXACT(a, b, c).astype(np.float64)
    product, addend = a.astype(np.float64) * b, c.astype(np.float64)
    total = product + addend
    was_product = total - addend
    lost = (product - was_product) + (addend - (total - was_product))
    odd = total.view(np.int64) & 1 == 1
    other = np.nextafter(total, np.copysign(np.inf, lost))
    return np.where((lost == 0) | odd, total, other).astype(a.dtype)


def _of_integers(a, b, c):
    """The sum a·b + c of float64 numbers, rounded once."""
    (p, q), (r, s), (t, u) = a.as_integer_ratio(), b.as_integer_ratio(), c.as_integer_ratio()
    q *= s
    return (p * r * u + t * q) / (q * u)


EXACT = np.frompyfunc(_of_integers, 3, 1)


# The operations of the cells that round.
OPERATIONS = (np.matmul, np.add, np.subtract, np.multiply, np.divide, np.tanh, expit)


def backend_array(evaluation, half=None, stored=OPERATIONS):
    """Make a conversion of arrays to those of a backend that adds up and flushes as an evaluation does.

    half: the half type that the array has, if it is one; it becomes float32, and the results of the
    operations `stored` are rounded to the half type.
    """

    class Computed(np.ndarray):
        """An array on which the cells' own lines run, in its dtype."""

        def __array_ufunc__(self, ufunc, method, *operands):
            operands = [evaluation.flush(np.asarray(x)) if isinstance(x, np.ndarray) else x for x in operands]
            if ufunc is np.matmul:
                a, b = operands
                result = evaluation(a[..., None, :], b.T)
            else:
                result = evaluation.flush(ufunc(*operands))
            if half and ufunc in stored:
                result = result.astype(half).astype(np.float32)
            return result.view(Computed)

    return lambda array: array.astype(np.float32 if half else array.dtype, copy=False).view(Computed)
