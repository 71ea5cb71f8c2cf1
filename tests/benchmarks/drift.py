"""The calibration of drift: how far off correct backends are, in units of what rounding does.

    python -m tests.benchmarks.drift [--cases N] [BACKEND ...]

Backends are the frameworks and, in place of one, NumPy with sums in the orders of `tests.faults.correct`.
They answer cases of several sizes whose numbers are drawn in several ways, in some of which the model of
`bound.typical` holds less. A line has the worst of N cases for each statistic, beside the
limit, and the number of elements behind it. The limits in `reference/check/drift.py` are three times the
worst of all lines, or more.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Adapter, Case, load
from rnn_lockstep.reference.check.drift import DTYPES, PROJECTION, Drift, limits_of
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.drawing.make_case import make_case
from tests.faults.correct import CORRECT, InOrder

SHAPES = ((16, 6, 3, 4), (8, 6, 8, 17), (8, 4, 32, 64), (4, 3, 64, 257), (2, 2, 64, 1024))
REGIMES = ("critical", "chaotic", "contractive")
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


def drawn(cell: str, dtype: str, shape: tuple[int, int, int, int], data: str, seed: int) -> Case:
    """Draw a case of this kind."""
    case = make_case(
        cell=cell,
        shape=shape,
        dtype=dtype,
        variant={"biases": 1 if cell == "simple_rnn" else 2},
        regime=REGIMES[seed % len(REGIMES)],
        layout="contiguous",
        given_state=True,
        padding="none",
        reverse=False,
        source=seed,
    )
    rng = np.random.default_rng(seed)
    changes = DATA[data].items()
    changed = {name: change(rng, getattr(case, name).astype(np.float64)) for name, change in changes}
    return replace(case, **{name: array.astype(dtype) for name, array in changed.items()})


def adapters(names: list[str]) -> Iterator[tuple[str, Adapter]]:
    """The frameworks and the orders of these names."""
    for name in names:
        yield name, InOrder(name) if name in CORRECT else load(name)


def line(adapter: Adapter, cell: str, dtype: str, data: str, count: int) -> str:
    """The worst of so many cases of each size, in a line."""
    whole, worst, error = Drift(), 0.0, ""
    largest = mean = 0.0
    for shape in SHAPES:
        if shape[-1] > 257 and cell != "simple_rnn":
            continue
        of_size = Drift()
        for seed in range(count):
            case = drawn(cell, dtype, shape, data, seed)
            with np.errstate(all="ignore"):
                trace = adapter.run(case)
            one = Drift()
            one.add(case, trace, adapter.facts.arithmetic(case.dtype))
            of_size.merge(one)
            for each in (one, of_size):
                largest, mean = max(largest, each.largest), max(mean, each.root_mean_square)
                found = max(each.ratios.items(), key=lambda item: item[1], default=("", 0.0))
                worst, error = max((worst, error), (found[1], found[0]))
        whole.merge(of_size)
    figures = f"{largest:7.2f} {mean:7.2f} {worst:7.2f} {whole.elements:12,}"
    limits = limits_of(CELLS[cell], dtype)
    beyond = largest > limits.largest or mean > limits.root_mean_square or worst > PROJECTION
    return f"{figures}  {error.format(factor='1 + e')}{'  BEYOND THE LIMITS' if beyond else ''}"


def main() -> None:
    """Print a line for each backend, cell, dtype and kind of data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="*", metavar="BACKEND", default=[*FRAMEWORKS, *CORRECT])
    parser.add_argument("--cases", type=int, default=6, metavar="N", help="of each size")
    options = parser.parse_args()
    print(f"{'':52} largest     rms   projection   elements")
    for name, dtype in product(CELLS, DTYPES):
        largest, mean = limits_of(CELLS[name], dtype)
        print(f"{'limits':18} {name:10} {dtype:23} {largest:7.2f} {mean:7.2f} {PROJECTION:7.2f}")
    for name, adapter in adapters(options.backends):
        for cell in adapter.facts.cells:
            for dtype in DTYPES:
                for data in DATA:
                    figures = line(adapter, cell, dtype, data, options.cases)
                    print(f"{name:18} {cell:10} {dtype:8} {data:14} {figures}", flush=True)


if __name__ == "__main__":
    main()
