"""The arithmetic of a backend: the formats of numbers as data, and the errors of its functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np


class Format(NamedTuple):
    """A binary format of numbers. bits: of the significand, with the one that is not stored.

    least, most: the exponents of the smallest normal number and of the largest power of two.
    stored_only: a half type, in which numbers are stored while sums are accumulated in float32.
    """

    bits: int
    least: int
    most: int
    stored_only: bool = False


# Source: IEEE 754-2019, table 3.5; bfloat16 is the upper half of a float32.
FORMATS = {
    "float64": Format(53, -1022, 1023),
    "float32": Format(24, -126, 127),
    "float16": Format(11, -14, 15, stored_only=True),
    "bfloat16": Format(8, -126, 127, stored_only=True),
}
DTYPES = tuple(FORMATS)
# The bits of the numbers that products may be taken from, beside all: TF32 is what NVIDIA's tensor cores take
# (NVIDIA A100 white paper, 2020).
PRODUCTS = {"TF32": 11, "bfloat16": FORMATS["bfloat16"].bits}
EXPONENT = 0x7FF << 52  # the bits of a float64 that hold its exponent
STORES = 4  # how often a sum in a half type may be stored on its way: W·x, U·h, their sum, with the bias


class FunctionError(NamedTuple):
    """The worst error of a function: in ulps of its dtype at its value, and absolutely, beside that.

    typical: its root mean square in ulps, where that has been measured.
    """

    ulps: float
    absolute: float = 0.0
    typical: float | None = None

    @property
    def typical_ulps(self) -> float:
        """The typical error in ulps; the worst where nobody has measured it."""
        return self.ulps if self.typical is None else self.typical


# The ulps of a backend that nobody has measured, with room to spare, by dtype; see `Arithmetic.error_of`.
UNMEASURED_ULPS = {"float64": 13.0, "float32": 8.0, "float16": 3.0, "bfloat16": 3.0}
# The absolute error beside that, in units of the dtype's roundoff: elu is usually made of exp(z) - 1.
UNMEASURED_ABSOLUTE = {"elu": 4.0}


@dataclass(frozen=True)
class Arithmetic:
    """A backend's way to compute: its dtype, and the worst errors of its functions, by name.

    A function that is not listed is taken for one that nobody has measured.
    products: of `PRODUCTS`, the format to which the operands of matrix products in float32 are cut, or "".
    recomputes: a state may be computed twice, for the output and for the step after, in other orders.
    """

    dtype: np.dtype[Any]
    functions: Mapping[str, FunctionError] = field(default_factory=dict, hash=False)
    products: str = ""
    recomputes: bool = False

    def error_of(self, function: str) -> FunctionError:
        """The worst error of a function in this dtype."""
        if function in self.functions:
            return self.functions[function]
        absolute = UNMEASURED_ABSOLUTE.get(function, 0.0) * self.unit
        return FunctionError(UNMEASURED_ULPS[self.dtype.name], absolute)

    @cached_property
    def format(self) -> Format:
        return FORMATS[self.dtype.name]

    @cached_property
    def unit(self) -> float:
        """The unit roundoff of the dtype: half the distance from 1 to the next number."""
        return float(2.0**-self.format.bits)

    @cached_property
    def unit_of_sums(self) -> float:
        """The unit roundoff in which sums are accumulated."""
        return 2.0 ** -FORMATS["float32"].bits if self.format.stored_only else self.unit

    @cached_property
    def cut(self) -> float:
        """The relative error of an operand of a matrix product: it may be cut off where it is not rounded."""
        short = self.products and self.dtype == np.float32
        return 2.0 ** (1 - PRODUCTS[self.products]) if short else 0.0

    @cached_property
    def stores(self) -> int:
        """The times that a sum may be stored, and so rounded to the dtype, beside its additions' rounding."""
        return STORES if self.format.stored_only else 0

    @cached_property
    def smallest_normal(self) -> float:
        """The smallest positive number of the dtype with all its bits."""
        return float(2.0**self.format.least)

    @cached_property
    def smallest_subnormal(self) -> float:
        """The smallest positive number of the dtype."""
        return float(2.0 ** (self.format.least + 1 - self.format.bits))

    @cached_property
    def flushed(self) -> float:
        """The size below which a backend may take a value for zero, on the way in or out of an operation.

        A float16 is converted to float32, where it is a normal number even if it was none before.
        """
        return float(2.0 ** FORMATS["float32"].least) if self.format.stored_only else self.smallest_normal

    @cached_property
    def largest(self) -> float:
        """The largest finite number of the dtype."""
        return float((2 - 2.0 ** (1 - self.format.bits)) * 2.0**self.format.most)

    def ulp(self, magnitude: Any) -> Any:
        """The distance between neighbouring numbers of the dtype at `magnitude`, as float64.

        It is what np.spacing gives for the dtype, at a tenth of its time.
        """
        size = np.abs(magnitude, dtype=np.float64)
        ulp = (size.view(np.int64) & EXPONENT).view(np.float64)  # the power of two at or below the size
        ulp *= 2 * self.unit
        return np.maximum(ulp, self.smallest_subnormal, out=ulp)

    def shown_error(self, state: Any) -> Any:
        """The distance of a state that is shown from the one that a backend goes on with, at most.

        A backend may compute in a wider dtype, keep the state so and round what it returns only: by at most
        unit * |state| (Higham 2002, theorem 2.3); or by half the smallest subnormal number where that is
        more, in particular for all that becomes 0; or it may flush what is so small.
        """
        return np.maximum(np.abs(state) * self.unit, max(self.smallest_subnormal / 2, self.flushed))

    def kept_error(self, state: Any) -> Any:
        """The same distance, where the state goes into a step's sum.

        In float32 and float64 it is none: of a wide step from a state that was rounded, the sum is nearer
        than the bound on a sum of at least two terms allows, one rounding for each of them.
        """
        return self.shown_error(state) if self.format.stored_only else 0.0


def rounded(array: Any, bits: int) -> Any:
    """Numbers of float64 rounded to so many bits of significand, to nearest, ties to even."""
    fraction, exponent = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)


def narrower_dtypes(dtype: str) -> list[str]:
    """The dtypes with fewer bits than one, the most exact first."""
    mine = FORMATS[dtype].bits
    return sorted((n for n, f in FORMATS.items() if f.bits < mine), key=lambda n: -FORMATS[n].bits)
