"""Projections: the deviations of many elements, projected on what an error would cause.

An error that scales U by 1 + ε moves every element by ε·g, g being the derivative by ε. Rounding moves them
without regard to g. So from deviations d with the typical errors σ, the weighted least-squares estimate

    ε = Σ(d·g/σ²) / Σ(g²/σ²)

tells an error of a hundredth of what one element may show (Björck, Numerical Methods for Least Squares
Problems, 1996, section 1.1). Its standard error is 1 / sqrt(Σ(g²/σ²)) where elements deviate apart. Those of
one unit need not, at equal inputs or states in several rows and steps; so it is at least that of units which
deviate apart, from the sums a = Σ(d·g/σ²) and w = Σ(g²/σ²) of each:

    sqrt(Σ(a - ε·w)²) / Σw        (Liang and Zeger 1986, "Longitudinal data analysis", the robust variance)

A function's own errors need not have the mean 0: of the mean s at most, they add Σ(s·|g|/σ²) / Σ(g²/σ²) or
less. All sums add up over cases.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Projection:
    """The sums so far, over units: of a, of w and of their products; of what functions may add to a."""

    along: float = 0.0
    weight: float = 0.0
    along_along: float = 0.0
    along_weight: float = 0.0
    weight_weight: float = 0.0
    of_functions: float = 0.0

    def add(self, deviation: Any, direction: Any, sigma: Any, mean: Any) -> None:
        """Add elements: d, g, σ and s, each (elements, units)."""
        scaled = direction / sigma
        along, weight = (deviation / sigma * scaled).sum(axis=0), np.square(scaled).sum(axis=0)
        self.along += float(along.sum())
        self.weight += float(weight.sum())
        self.along_along += float(along @ along)
        self.along_weight += float(along @ weight)
        self.weight_weight += float(weight @ weight)
        self.of_functions += float(np.sum(mean / sigma * np.abs(scaled)))

    def merge(self, other: "Projection") -> None:
        """Add the sums of other elements."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def coefficient(self) -> float:
        """The estimate of ε."""
        return self.along / self.weight if self.weight else 0.0

    @property
    def noise(self) -> float:
        """Its standard error, infinite without elements."""
        if not self.weight:
            return np.inf
        apart = self.along_along - 2 * self.coefficient * self.along_weight
        apart += self.coefficient**2 * self.weight_weight
        return float(max(self.weight**0.5, max(apart, 0.0) ** 0.5) / self.weight)

    @property
    def bias(self) -> float:
        """What the functions' own errors may add to it; infinite without elements."""
        return self.of_functions / self.weight if self.weight else np.inf

    @property
    def ratio(self) -> float:
        """The size of the estimate in units of what rounding and the functions make of it."""
        return abs(self.coefficient) / (self.noise + self.bias)

    @property
    def explained(self) -> float:
        """How much smaller Σ(d/σ)² is with the error taken away."""
        return self.along**2 / self.weight if self.weight else 0.0
