"""The calibration of drift: how far off correct backends are, in units of what rounding does.

    python -m tests.benchmarks.drift [--cases N] [BACKEND ...]

Backends are the frameworks and, in place of one, NumPy with sums in the orders of `tests.faults.correct`.
They answer cases of several sizes, some of them of layers of which not all states are shown. The numbers are
drawn in several ways, in some of which the model of `bound.typical` holds less. A line has the worst of N
cases for each statistic, of what is shown and of what is carried, and the number of elements behind it. The
limits in `reference/check/drift.py` are three times the worst of all lines, or more.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters import Adapter, Case, Facts, load
from rnn_lockstep.reference.check.drift import DTYPES, Drift, limits_of, limits_of_carried
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.drawing.drift_cases import CARRIED, REGIMES, drift_case
from rnn_lockstep.tests.harness.drawing.make_case import Shape, Variant
from rnn_lockstep.tests.harness.drawing.strategies import can_do, plain
from tests.faults.correct import CORRECT, InOrder

SHAPES = ((16, 6, 3, 4), (8, 6, 8, 17), (8, 4, 32, 64), (4, 3, 64, 257), (2, 2, 64, 1024))
CARRIED_SHAPES = ((8, 12, 5, 8), (4, 12, 16, 64), (2, 8, 16, 257))
FRAMEWORKS = ("torch", "keras", "jax")
Weights = dict[str, Any]
Change = Callable[[np.random.Generator, Any], Any]


def one_large(rng: np.random.Generator, array: Any) -> Any:
    """One column 50 times as large as the others."""
    array = array / 4
    array[..., rng.integers(array.shape[-1])] *= 50
    return array


def repeated(rng: np.random.Generator, array: Any) -> Any:
    """Four different numbers, each again and again."""
    return rng.choice(array.ravel()[:4], array.shape)


def alternating(rng: np.random.Generator, array: Any) -> Any:
    """Numbers of nearly one size, with signs in turn."""
    signs = (-1.0) ** np.arange(array.shape[-1])
    return signs * (0.5 + 0.01 * rng.random(array.shape)) / array.shape[-1] ** 0.5


def one_sign(rng: np.random.Generator, array: Any) -> Any:
    """Positive numbers that do not saturate a layer."""
    return np.abs(array) / array.shape[-1] ** 0.5


def negative(rng: np.random.Generator, array: Any) -> Any:
    """The same, negative."""
    return -one_sign(rng, array)


# How the numbers of inputs, W and U are drawn, beside those of the suite.
DATA: dict[str, dict[str, Change]] = {
    "random": {},
    "one sign": {"inputs": lambda rng, a: np.abs(a), "W": one_sign, "U": one_sign},
    "cancelling": {"inputs": lambda rng, a: np.abs(a), "W": one_sign, "U": negative},
    "one large term": {"W": one_large, "U": one_large},
    "repeated": {"W": repeated, "U": repeated},
    "alternating": {"W": alternating, "U": alternating},
}


def drawn(cell: str, dtype: str, shape: Shape, facts: Facts, form: Variant, data: str, seed: int) -> Case:
    """Draw a case of this kind."""
    case = drift_case(cell, dtype, facts, shape, REGIMES[seed % len(REGIMES)], form, seed)
    rng = np.random.default_rng(seed)
    changes = DATA[data]

    def changed(name: str, array: Any) -> Any:
        """The array, drawn in this way."""
        change = changes.get(name)
        return change(rng, array.astype(np.float64)).astype(dtype) if change else array

    first, *more = (
        w._replace(W=changed("W", w.W), U=changed("U", w.U)) for w in (case.weights, *case.more_weights)
    )
    inputs = changed("inputs", case.inputs)
    return replace(case, inputs=inputs, W=first.W, U=first.U, more_weights=tuple(more))


def adapters(names: list[str]) -> Iterator[tuple[str, Adapter]]:
    """The frameworks and the orders of these names."""
    for name in names:
        yield name, InOrder(name) if name in CORRECT else load(name)


def forms(facts: Facts, cell: str) -> Iterator[tuple[Shape, Variant]]:
    """The sizes and forms of a cell that are tried."""
    for shape in SHAPES:
        if shape[-1] <= 257 or cell == "simple_rnn":
            yield shape, {}
    for shape, form in product(CARRIED_SHAPES, CARRIED):
        if can_do(facts, cell, {**plain(facts, cell), **form}):
            yield shape, form


class Worst(NamedTuple):
    """The worst statistics of some cases."""

    largest: float = 0.0
    root_mean_square: float = 0.0
    projection: float = 0.0
    carried: float = 0.0
    carried_root_mean_square: float = 0.0

    def and_also(self, found: Drift) -> "Worst":
        """Take in those of other cases."""
        sizes = (found.shown.largest, found.shown.root_mean_square, max(found.ratios.values(), default=0.0))
        carried = (found.carried.largest, found.carried.root_mean_square)
        return Worst(*map(max, self, (*sizes, *carried)))


def line(adapter: Adapter, cell: str, dtype: str, data: str, count: int) -> str:
    """The worst of so many cases of each size and form, in a line."""
    whole, worst = Drift(), Worst()
    for shape, form in forms(adapter.facts, cell):
        of_form = Drift()
        for seed in range(count):
            case = drawn(cell, dtype, shape, adapter.facts, form, data, seed)
            with np.errstate(all="ignore"):
                trace = adapter.run(case)
            one = Drift()
            one.add(case, trace, adapter.facts.arithmetic(case.dtype))
            of_form.merge(one)
            worst = worst.and_also(one).and_also(of_form)
        whole.merge(of_form)
    beyond = any(size > limit for size, limit in zip(worst, limits(cell, dtype), strict=True))
    return f"{figures(worst)} {whole.elements:12,}{'  BEYOND THE LIMITS' if beyond else ''}"


def limits(cell: str, dtype: str) -> Worst:
    """The limits of a cell."""
    return Worst(*limits_of(CELLS[cell], dtype), *limits_of_carried(dtype)[:2])


def figures(worst: Worst) -> str:
    """The statistics, in columns."""
    return " ".join(f"{size:10.2f}" for size in worst)


def main() -> None:
    """Print a line for each backend, cell, dtype and kind of data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="*", metavar="BACKEND", default=[*FRAMEWORKS, *CORRECT])
    parser.add_argument("--cases", type=int, default=6, metavar="N", help="of each size and form")
    options = parser.parse_args()
    headers = ("largest", "rms", "projection", "carried", "rms")
    print(f"{'':53}{' '.join(f'{header:>10}' for header in headers)}     elements")
    for name, dtype in product(CELLS, DTYPES):
        print(f"{'limits':18} {name:10} {dtype:23}{figures(limits(name, dtype))}")
    for name, adapter in adapters(options.backends):
        for cell in adapter.facts.cells:
            for dtype in DTYPES:
                for data in DATA:
                    found = line(adapter, cell, dtype, data, options.cases)
                    print(f"{name:18} {cell:10} {dtype:8} {data:14}{found}", flush=True)


if __name__ == "__main__":
    main()
