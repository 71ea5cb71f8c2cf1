"""The worst and the typical errors of each backend's own functions, beside what its adapter declares.

    python -m tests.benchmarks.ulps [--thorough] [BACKEND ...]

Numbers go through the real layers. An error is in units in the last place at the exact result, as in the
bound. A wider dtype finds the candidates; the figure is Arb's (python-flint's), at 128 bits. It is what a
search found, and the worst there is only for a thorough search of a dtype of up to 32 bits. The typical error
is the root mean square over random numbers of a band, of some bands the largest.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  with it NumPy knows bfloat16
import numpy as np
from flint import arb, ctx

from rnn_lockstep.adapters import Adapter, load
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.oracle.activations import sigmoid
from tests.benchmarks.routes import Route, routes
from tests.benchmarks.search import BATCH, Array, Span, places, search

SMALLEST = 2.0**-14  # float16's smallest normal number; no backend was seen to be worse below it
# The sizes of the numbers of which a typical error is told.
BANDS = ((1e-3, 0.03), (0.03, 0.3), (0.3, 1.0), (1.0, 2.5), (2.5, 5.0), (5.0, 9.0))
SEARCHES = 16  # by which a thorough search goes through a dtype too large to look at every number

# The same lines on a wider dtype's numbers and on Arb's.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softsign": lambda z: z / (1 + abs(z)),
    "elu": np.expm1,  # below zero; above it is z itself
}
# The limits within which each is looked at; None for the logarithm of two smallest normal numbers.
RANGES: dict[str, tuple[float | None, float]] = {
    "tanh": (-20, 20),
    "sigmoid": (None, 90),
    "softsign": (-1e4, 1e4),
    "elu": (-20, -2 * SMALLEST),
}


class Figure(NamedTuple):
    """The worst error found on a route, the x it was found at, and what is declared, in ulps.

    worst, typical: beside the absolute error that is declared.
    """

    route: Route
    worst: float
    x: np.floating
    typical: float
    declared: FunctionError

    @property
    def exceeds(self) -> bool:
        """Tell whether an error is larger than declared. In float64 a typical one means nothing."""
        of_use = self.x.dtype != np.float64
        return self.worst > self.declared.ulps or (of_use and self.typical > self.declared.typical_ulps)

    def __str__(self) -> str:
        return (
            f"{self.route.function:8} {self.route.cell:11} {self.x.dtype.name:8} {self.worst:9.3f} "
            f"{self.declared.ulps:9g} {self.x!s:>22} {self.typical:9.3f} {self.declared.typical_ulps:9g}"
            f"{'  more than declared' if self.exceeds else ''}"
        )


def ulps(function: str, x: Array, y: Array, number: Callable[[Array], Array], absolute: float = 0.0) -> Array:
    """The error |y - function(x)| in ulps at the exact result, computed on `number(x)`; infinite where NaN.

    absolute: the error that is allowed beside that, and is not counted.
    """
    exact = FUNCTIONS[function](number(x))
    error = (abs(number(y) - exact) - absolute) / Arithmetic(x.dtype).ulp(exact.astype(np.float64))
    return np.nan_to_num(error.astype(np.float64), nan=np.inf)


def wider(x: Array) -> Array:
    """The next dtype's numbers; where the platform has none after float64, its candidates are less sure."""
    return x.astype(np.float64 if x.itemsize < 8 else np.longdouble)


def balls(x: Array) -> Array:
    """Arb's numbers, exactly x."""
    return np.array([arb(value) for value in x.tolist()])


def spans(function: str, dtype: str) -> tuple[Span, Span]:
    """The places of the negative numbers to look at, and of the positive ones.

    Further out the function is constant, or its result is below two smallest normal numbers: that may
    be flushed to zero, for which the bound has a term of its own.
    """
    underflow = np.log(2 * Arithmetic(np.dtype(dtype)).smallest_normal)
    low, high = RANGES[function]
    low = underflow if low is None else low
    inner = (-SMALLEST, SMALLEST) if high > 0 else (-1.0, -1.0)
    ends = places(np.array([low, *inner, high], dtype)).tolist()
    return (ends[0] + 1, ends[1]), (ends[2], ends[3])  # + 1: the logarithm may be rounded down


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch, if it is there, to one thread: on a busy machine two wait for each other, for seconds."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    try:
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@one_thread()
def measured(
    adapter: Adapter, route: Route, dtype: str, *, batches: int = 16, thorough: bool = False
) -> Figure:
    """The worst error on a route; the same each time. batches: see `search`."""

    def error(x: Array) -> Array:
        return ulps(route.function, x, route.answers(adapter, x), wider, declared.absolute)

    declared = adapter.facts.arithmetic(np.dtype(dtype)).error_of(route.function)
    where = spans(route.function, dtype)
    if thorough and np.dtype(dtype).itemsize <= 4:
        x = search(error, dtype, where, count=2**32)
    else:
        seeds = range(SEARCHES if thorough else 1)
        x = np.concatenate([search(error, dtype, where, batches=batches, seed=seed) for seed in seeds])
    y = route.answers(adapter, np.resize(x, BATCH))[: len(x)]
    with ctx.workprec(128):
        errors = ulps(route.function, x, y, balls, declared.absolute)
    worst = np.argmax(errors)
    typical = max(root_mean_square(error, signs_of(route), dtype, *band) for band in BANDS)
    return Figure(route, float(errors[worst]), x[worst], typical, declared)


def root_mean_square(
    error: Callable[[Array], Array], signs: Sequence[int], dtype: str, low: float, high: float
) -> float:
    """The root mean square of an error over random numbers of these signs, of sizes between low and high."""
    rng = np.random.default_rng(0)
    x = rng.uniform(low, high, BATCH) * rng.choice(signs, BATCH)
    return float(np.sqrt(np.mean(np.square(np.maximum(error(x.astype(dtype)), 0.0)))))


def signs_of(route: Route) -> tuple[int, ...]:
    """The signs of the numbers at which a function does more than return them."""
    return (-1, 1) if RANGES[route.function][1] > 0 else (-1,)


def figures(adapter: Adapter, **effort: Any) -> Iterator[Figure]:
    """The figures for each dtype and each route through the backend's cells."""
    for dtype in adapter.facts.dtypes:
        for route in routes(adapter):
            yield measured(adapter, route, dtype, **effort)


def main() -> None:
    """Print the figures of the backends on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="*", metavar="BACKEND", default=["numpy", "torch", "keras", "jax"])
    parser.add_argument("--thorough", action="store_true", help="every float32; minutes for each backend")
    options = parser.parse_args()
    heads = f"{'worst':>9} {'declared':>9} {'at x':>22} {'typical':>9} {'declared':>9}"
    print(f"{'backend':12} {'function':8} {'cell':11} {'dtype':8} {heads}")
    for name in options.backends:
        adapter = load(name)
        for dtype, route in product(adapter.facts.dtypes, routes(adapter)):
            try:
                figure = str(measured(adapter, route, dtype, thorough=options.thorough))
            except Exception as error:  # a backend need not run every route
                figure = f"{route.function:8} {route.cell:11} {dtype:8} {in_one_line(error)}"
            print(f"{name:12} {figure}", flush=True)


if __name__ == "__main__":
    main()
