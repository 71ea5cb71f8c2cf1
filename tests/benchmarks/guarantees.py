"""What a match guarantees: the smallest planted errors that a run of the suite sees.

    python -m tests.benchmarks.guarantees [--thorough] [BACKEND ...]

A backend is given weights that are too large by a factor 1 + ε, and its answers are judged as the ones that
it should have given. The figures are the smallest ε of 1e-8, 2e-8, 5e-8, 1e-7, ... seen, first by the proven
bound in one of the cases of a test, then by drift in all. The cases are like those of `test_drift`.
--thorough goes up to 1,024 units in every cell.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from rnn_lockstep.adapters import Adapter, Case, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.reference.check.drift import DTYPES, Drift
from rnn_lockstep.reference.check.guarantees import smallest
from rnn_lockstep.tests.harness.drawing.drift_cases import drift_cases

SHAPES = ((8, 4, 32, 64), (4, 3, 64, 257), (4, 3, 64, 1024))
CASES = 5
Change = Callable[[Case, float], Case]


def too_large(name: str, last_gate: bool = False) -> Change:
    """Make the change of some weights, or of the last gate's rows, by a factor."""

    def change(case: Case, error: float) -> Case:
        array = getattr(case, name).astype(np.float64)
        array[-case.hidden_size if last_gate else 0 :] *= 1 + error
        return replace(case, **{name: array.astype(case.dtype)})

    return change


PLANTED: dict[str, Change] = {
    "W": too_large("W"),
    "U": too_large("U"),
    "b": too_large("b"),
    "b of a gate": too_large("b", last_gate=True),
}


def by_bound(adapter: Adapter, cases: list[Case], change: Change, error: float) -> bool:
    """Tell whether the proven bound sees the error in one of the cases."""
    answers = ((case, run(adapter, change(case, error))) for case in cases)
    return any(judge(adapter, case, answer).status == "mismatch" for case, answer in answers)


def by_drift(adapter: Adapter, cases: list[Case], change: Change, error: float) -> bool:
    """Tell whether drift sees the error in all cases together."""
    found = Drift()
    for case in cases:
        found.add(case, run(adapter, change(case, error)), adapter.facts.arithmetic(case.dtype))
    return bool(found.reason)


def lines(adapter: Adapter, thorough: bool) -> Iterator[str]:
    """The figures of a backend, a line for each cell, dtype and size."""
    for cell in adapter.facts.cells:
        for dtype in (dtype for dtype in DTYPES if dtype in adapter.facts.dtypes):
            for shape in SHAPES:
                if shape[-1] > 257 and not thorough and cell != "simple_rnn":
                    continue
                cases = list(drift_cases(cell, dtype, adapter.facts, CASES, shape))
                figures = []
                for change in PLANTED.values():
                    for sees in (by_bound, by_drift):
                        seen = smallest(partial(sees, adapter, cases, change))
                        figures.append(f"{'-' if seen is None else f'{seen:.0e}':>6}")
                yield f"{adapter.facts.name:8} {cell:11} {dtype:9} {shape[-1]:5} {' '.join(figures)}"


def main() -> None:
    """Print the figures of the backends on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="*", metavar="BACKEND", default=["numpy", "torch", "keras", "jax"])
    parser.add_argument("--thorough", action="store_true", help="1,024 units in every cell; an hour")
    options = parser.parse_args()
    print(f"{'':36}" + "".join(f"{name:^14}" for name in PLANTED))
    print(f"{'backend':8} {'cell':11} {'dtype':9} {'H':>5} " + f"{'bound':>6} {'drift':>6} " * len(PLANTED))
    for name in options.backends:
        for line in lines(load(name), options.thorough):
            print(line, flush=True)


if __name__ == "__main__":
    main()
