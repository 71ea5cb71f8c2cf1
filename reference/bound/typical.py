"""Arrays that carry the typical rounding error of a backend computing the same formula.

`Rounded` has the worst error in any order of summation, for any data. `Typical` has the size σ of the error
that one does see, in data of which the model below holds: random numbers with all their bits, no subnormal
number or overflow among them. It is no bound. What is many times further off may be right, but is not what
rounding does.

Model: each rounding of a number s is off by u·s·d, with the d independent, of mean 0 and variance 1/3 at
most (the uniform distribution over half a unit at the lower end of a binade; Higham and Mary 2019, "A new
approach to probabilistic rounding error analysis", and 2020, with random data). Of a sum of N terms t with
value z, in an unknown order, the partial sums are taken for a random walk from 0 that ends at z. The square
of the k-th of N has the mean k(N - k)/N² · Σt² + (k/N)²·z², over all orders; summed over k that is
N(Σt²/6 + z²/3). Every term has been rounded too, once as a product and, in other factorings, again: Σt².

    σ² = u²·(N·(Σt²/6 + max(z², parts²)/3) + Σt²)

The parts are W·x and U·h, which may be added up apart though they nearly cancel.
A product is as large as its terms: (1 - z)∘n is n - z∘n in some factorings.
What came in with operands adds up in quadrature in a matrix product, whose operands are rounded apart, and
linearly otherwise: a forget gate near 1 repeats the same rounding of a cell state again and again.
In a half type a sum is stored some times on its way, each time rounded to it.

A matrix brings the errors of many units together, again at each step: σ by itself does not tell how they
then go. So where nobody has shown the states, errors are drawn at random and added to the values, and the
same is computed some times over (Parker, Pierce and Eggert 2000, "Monte Carlo arithmetic"). What is drawn at
each step is as much again as what stays the same at all of them, for the roundings that are repeated.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.bound.nondecreasing import OVERFLOWS

ROUNDING = 1 / 3  # the variance of a rounding, in squares of u·|number|


class Errors:
    """Errors drawn at random, of the standard deviation 1.

    seed: of the numbers.  overflow: whether a sum has been met that is no number of the dtype.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.repeated: dict[tuple[int, ...], Any] = {}
        self.overflow = False

    def drawn(self, shape: tuple[int, ...]) -> Any:
        """Errors for an array of a shape: new ones and, as much again, the ones it had at other steps."""
        if shape not in self.repeated:
            self.repeated[shape] = np.random.default_rng(self.seed).standard_normal(shape)
        return self.rng.standard_normal(shape) + self.repeated[shape]


class Typical(ErrorArray):
    """An array with the typical error that a backend's values have.

    value: float64, as the oracle computes it.
    sigma: float64 array or 0.0: the typical error, without the rounding of a pending sum.
    terms: the number of terms of a pending sum, or 0.
    squares: the sum of their squares.  largest: the square of the largest sum on the way.
    errors: where they are given, errors are drawn and added to the values, and sigma is 0.
    """

    def __init__(
        self,
        value: Any,
        arithmetic: Arithmetic,
        sigma: Any = 0.0,
        terms: int = 0,
        squares: Any = None,
        largest: Any = None,
        errors: Errors | None = None,
    ) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.arithmetic = arithmetic
        self.errors = errors
        if errors and np.any(sigma):
            self.value, sigma = self.value + sigma * errors.drawn(self.value.shape), 0.0
        self.sigma = sigma
        self.terms = terms
        self.squares = np.square(self.value) if squares is None else squares
        self.largest = np.square(self.value) if largest is None else largest

    def made(
        self, value: Any, sigma: Any = 0.0, terms: int = 0, squares: Any = None, largest: Any = None
    ) -> "Typical":
        """An array of the same arithmetic and errors."""
        return Typical(value, self.arithmetic, sigma, terms, squares, largest, self.errors)

    def __setitem__(self, index: Any, part: "Typical") -> None:
        """Replace a part of a full array, one that `np.empty_like` has made."""
        part = part.closed()
        self.value[index], self.sigma[index] = part.value, part.sigma
        self.squares[index] = self.largest[index] = part.squares

    def _each(self, change: Callable[[Any], Any]) -> "Typical":
        sigma = change(self.sigma) if isinstance(self.sigma, np.ndarray) else self.sigma
        changed = (change(array) for array in (self.value, self.squares, self.largest))
        value, squares, largest = changed
        return self.made(value, sigma, self.terms, squares, largest)

    def wrapped(self, x: Any) -> "Typical":
        """The operand x as an array of this kind; plain numbers have no error."""
        return x if isinstance(x, Typical) else self.made(x)

    def as_rest(self, name: str) -> "Typical":
        """See `ErrorArray.as_rest`, and `Rounded.as_rest`, of which this is the typical size."""
        rest, ulp = np.abs(1 - self.value), self.arithmetic.ulp
        more = self.arithmetic.error_of(name).typical_ulps * np.maximum(ulp(rest) - ulp(self.value), 0)
        roundings = np.sqrt(3 * ROUNDING) * self.arithmetic.unit * rest
        return self.made(self.value, np.sqrt(self.sigma**2 + more**2 + roundings**2))

    def stored_again(self) -> "Typical":
        """See `ErrorArray.stored_again`."""
        if not self.arithmetic.stores:
            return self
        sigma = np.sqrt(self.sigma**2 + ROUNDING * self.arithmetic.unit**2 * self.largest)
        return self.made(self.value, sigma, self.terms, self.squares, self.largest)

    def closed(self) -> "Typical":
        """The pending sum, summed: σ of its rounding, as above, and what came in."""
        if self.terms == 0:
            return self
        arithmetic = self.arithmetic
        if self.errors and not np.all(self.largest < arithmetic.largest**2):  # NaN is one too
            self.errors.overflow = True
        walk = self.terms * (self.squares / 6 + self.largest * ROUNDING) + self.squares
        variance = arithmetic.unit_of_sums**2 * walk
        if arithmetic.stores:
            variance += arithmetic.stores * ROUNDING * arithmetic.unit**2 * self.largest
        return self.made(self.value, np.sqrt(variance) + self.sigma)


def matmul(a: Typical, b: Typical) -> Typical:
    """A pending sum of products, each of them one term."""
    a, b = a.closed(), b.closed()
    squares = a.squares @ b.squares
    variance = 2 * ROUNDING * a.arithmetic.cut**2 * squares
    if np.any(a.sigma):
        variance = variance + np.square(a.sigma) @ b.squares
    if np.any(b.sigma):
        variance = variance + a.squares @ np.square(b.sigma)
    value = a.value @ b.value
    return a.made(value, np.sqrt(variance), a.value.shape[-1], squares)


def add(a: Typical, b: Typical) -> Typical:
    """The sum of two sums, in which a closed array is a single term."""
    value = a.value + b.value
    largest = np.maximum(np.maximum(a.largest, b.largest), np.square(value))
    terms = max(a.terms, 1) + max(b.terms, 1)
    return a.made(value, a.sigma + b.sigma, terms, a.squares + b.squares, largest)


def subtract(a: Typical, b: Typical) -> Typical:
    return add(a, b.made(-b.value, b.sigma, b.terms, b.squares, b.largest))


def multiply(a: Typical, b: Typical) -> Typical:
    """A product, a pending sum of one term, as large as the terms of its operands."""
    sigma = np.abs(a.value) * b.closed().sigma + a.closed().sigma * np.abs(b.value)
    return a.made(a.value * b.value, sigma, 1, a.squares * b.squares)


def divide(a: Typical, b: Typical) -> Typical:
    """The quotient by an exact constant; some backends multiply by its rounded reciprocal."""
    return multiply(a, b.made(1 / b.value))


def monotone(function: Callable[[Any], Any], z: Typical) -> Typical:
    """A nondecreasing function that does not round: σ is how far it carries z's own to either side."""
    z = z.closed()
    value = function(z.value)
    sigma = np.maximum(function(z.value + z.sigma) - value, value - function(z.value - z.sigma))
    return z.made(value, sigma)


def activation(name: str, function: Callable[[Any], Any], z: Typical) -> Typical:
    """A nondecreasing function as a backend computes it, with its own typical error."""
    exact, arithmetic = monotone(function, z), z.arithmetic
    declared = arithmetic.error_of(name)
    own = declared.typical_ulps * arithmetic.ulp(exact.value) + declared.absolute
    own += OVERFLOWS.get(name, 0.0) / arithmetic.largest
    return z.made(exact.value, np.hypot(exact.sigma, own))


def absolute(z: Typical) -> Typical:
    """The size |z|, which does not round."""
    z = z.closed()
    return z.made(np.abs(z.value), z.sigma)


def where(like: Typical, condition: Any, a: Any, b: Any) -> Typical:
    """The choice of np.where, of closed arrays."""
    a, b = like.wrapped(a).closed(), like.wrapped(b).closed()
    value, sigma = (np.where(condition, x, y) for x, y in ((a.value, b.value), (a.sigma, b.sigma)))
    return like.made(value, sigma)


def concatenate(like: Typical, arrays: Sequence[Any], axis: int) -> Typical:
    """The closed arrays, joined by np.concatenate."""
    closed = [like.wrapped(array).closed() for array in arrays]
    sigma = np.concatenate([np.broadcast_to(array.sigma, array.shape) for array in closed], axis)
    return like.made(np.concatenate([array.value for array in closed], axis), sigma)


def empty_like(like: Typical, array: Typical, shape: tuple[int, ...]) -> Typical:
    """An array of np.empty_like, to be filled part by part."""
    value, sigma, squares, largest = (np.zeros(shape) for _ in range(4))
    return like.made(value, sigma, 0, squares, largest)


Typical.activation = activation
Typical.rules = {
    np.matmul: matmul,
    np.add: add,
    np.subtract: subtract,
    np.multiply: multiply,
    np.divide: divide,
    np.tanh: partial(activation, "tanh", np.tanh),
    expit: partial(activation, "sigmoid", expit),
    np.absolute: absolute,
    np.maximum: lambda z, floor: monotone(lambda x: np.maximum(x, floor.value), z),
    np.minimum: lambda z, ceiling: monotone(lambda x: np.minimum(x, ceiling.value), z),
}

Typical.functions = {
    np.where: where,
    np.concatenate: concatenate,
    np.empty_like: empty_like,
}
