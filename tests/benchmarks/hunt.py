"""The hunt for false alarms: random cases of every kind, of which a correct backend may fail none.

    python -m tests.benchmarks.hunt [--backend NAME ...] [--cases N] [--seed SEED] [--first NUMBER] [--drift]

Cases are made as those of the suite are, by the tables and functions of `tests/harness/drawing`, but
in all combinations and without Hypothesis, whose search takes longer than most cases do. Each has a
number: SEED and NUMBER, and `--cases 1`, show it again. With --drift, cases of random numbers must not drift
either. Ends with 1 if any case is a mismatch or drifts.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from rnn_lockstep.adapters import Adapter, Case, Facts, Refused, UnknownBackend, known_backends, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.bound.arithmetic import FORMATS, rounded
from rnn_lockstep.reference.check.drift import judged_by_rounding
from rnn_lockstep.tests.harness.drawing.make_case import make_case
from rnn_lockstep.tests.harness.drawing.strategies import GRID_VALUES, SHAPES, choices
from rnn_lockstep.tests.harness.scores import Scores, render_table

PADDINGS = ({}, {"padded": True}, {"masked": True})
LARGE = ("long",)  # too large for several layers
IN_A_ROW = 10  # cases in one form of a layer, where a backend compiles each
WIDTH = 150
WRONG = ("mismatch", "drift")


def drawn_case(facts: Facts, seed: int, number: int) -> Case:
    """Draw one of the cases that a backend can do; the same one for the same numbers."""

    def one(values: Sequence[Any]) -> Any:
        return values[rng.integers(len(values))]

    rng = np.random.default_rng((seed, number // IN_A_ROW if facts.compiles else number))
    shapes = one(tuple(SHAPES))
    to_choose_from = choices(
        one(facts.cells),
        shapes,
        dtypes=(one(facts.dtypes),),
        variants=one(("usual", "all") if shapes in LARGE else ("usual", "all", "stacked")),
        backwards=one((True, False)),
        facts=facts,
        **one(PADDINGS),
    )
    arguments = {name: one(values) for name, values in to_choose_from.items()}
    rng = np.random.default_rng((seed, number, 1))  # from here on all cases in a row differ
    arguments |= {name: one(to_choose_from[name]) for name in ("regime", "layout")}
    source = one((rng.bytes(GRID_VALUES), int(rng.integers(2**32))))
    return make_case(**arguments, source=source)


def judged(adapter: Adapter, case: Case, drift: bool) -> Verdict:
    """The verdict on a backend's answer to a case. drift: judge one of random numbers by rounding too."""
    trace = run(adapter, case)
    verdict = judge(adapter, case, trace)
    if not drift or verdict.status == "mismatch" or not is_random(case):
        return verdict
    by_rounding = judged_by_rounding(verdict, trace, adapter.facts.arithmetic(case.dtype))
    return by_rounding if by_rounding.status == "drift" else verdict


def is_random(case: Case) -> bool:
    """Tell whether most numbers of a case have all their bits, as the model of rounding needs."""
    bits = FORMATS[case.dtype.name].bits
    numbers = np.concatenate([array.astype(np.float64).ravel() for array in case.arrays().values()])
    numbers = numbers[np.isfinite(numbers)]
    return bool(np.mean(rounded(numbers, bits - 2) != numbers) > 0.5)


def hunt(adapter: Adapter, seed: int, numbers: range, drift: bool = False) -> Scores:
    """The scores of the cases with these numbers. Prints every mismatch, and what drifts if that is asked."""
    scores, name = Scores(), adapter.facts.name
    shown = Console(stderr=True)
    for number in track(numbers, name, console=shown, disable=not shown.is_terminal):
        case = drawn_case(adapter.facts, seed, number)
        start = time.perf_counter()
        try:
            verdict = judged(adapter, case, drift)
        except Refused as reason:
            scores.add_refusal(case, str(reason))
        except Exception as error:
            error.add_note(f"{name}, seed {seed}, case {number}: {case}")
            raise
        else:
            scores.add_verdict(verdict)
            if verdict.status in WRONG:
                print(f"{name}, seed {seed}, case {number}: {verdict}", flush=True)
        scores.add_time(case, time.perf_counter() - start)
    return scores


def options() -> argparse.Namespace:
    """Read the options on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", metavar="NAME", help="default: as the suite's")
    parser.add_argument("--cases", type=int, default=25_000, metavar="N", help="of each backend")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the first case's number")
    parser.add_argument("--drift", action="store_true", help="judge cases of random numbers by rounding too")
    given = parser.parse_args()
    if min(given.seed, given.first) < 0 or given.cases < 1:
        parser.error("--cases needs at least 1, --seed and --first at least 0")
    given.backend = given.backend or [
        name for name, known in known_backends().items() if known.by_default and not known.missing
    ]
    return given


def main() -> int:
    """Hunt on each backend and print its scores; 1 if any case is a mismatch, else 0."""
    given = options()
    found: dict[str, Scores] = {}
    for name in given.backend:
        try:
            adapter = load(name)
        except UnknownBackend as error:
            print(error, file=sys.stderr)
            return 2
        print(f"{adapter.facts}: seed {given.seed}, {given.cases} cases from {given.first}", flush=True)
        scores = hunt(adapter, given.seed, range(given.first, given.first + given.cases), given.drift)
        print(render_table({name: scores}, WIDTH), flush=True)
        found[name] = scores
    counts = [score.counts for scores in found.values() for score in scores.values()]
    mismatches, drifting = (sum(count[status] for count in counts) for status in WRONG)
    compared = sum(scores.compared for scores in found.values())
    print(f"{compared} cases compared, {mismatches} mismatches{f', {drifting} drift' if given.drift else ''}")
    return 1 if mismatches or drifting else 0


if __name__ == "__main__":
    sys.exit(main())
