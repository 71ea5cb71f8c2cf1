"""Run every backend that misbehaves, in a few runs of the suite, and print what each led to.

    python -m tests.benchmarks.misbehaving [NAME ...] [-n 2]

The slow ones run only where they are named, or all with --slow. The exit status is 1 where something is not
as it must be.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.faults.misbehaving import MISBEHAVIOURS
from tests.faults.misbehaving.misbehaviour import Misbehaviour
from tests.faults.misbehaving.running import Run, led_to, mistaken, options, selection, wrong_with

BATCH = 24  # backends in one run


def main() -> int:
    """Run them, print a line for each, and tell whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("-n", default="0")
    given = parser.parse_args()
    chosen = [MISBEHAVIOURS[name] for name in given.names] or [
        one for one in MISBEHAVIOURS.values() if given.slow or not one.slow
    ]
    mistakes = 0
    for tests, group in groupby(sorted(chosen, key=lambda one: one.tests), key=lambda one: one.tests):
        for some in batches(list(group)):
            with tempfile.TemporaryDirectory() as folder:
                names = [one.name for one in some]
                arguments = [*selection(tests), *options(names, "numpy"), "--case-timeout", "1"]
                run = Run([*arguments, "--max-examples", "20", "-n", given.n], Path(folder))
                run.wait(60 + sum(20 + 5 * one.slow for one in some))
                told = [*wrong_with(run)]
                for one in some:
                    own = list(mistaken(run, one))
                    print(
                        "NOT AS IT MUST BE:" if own else "ok",
                        led_to(run, one.name),
                        *own,
                        sep="  ",
                        flush=True,
                    )
                    told += own
                print(f"{tests}: {len(some)} backends in {run.seconds:.0f} s", *wrong_with(run), flush=True)
                mistakes += len(told)
                if told:
                    Path(tempfile.gettempdir(), f"misbehaving-{names[0]}.txt").write_text(run.output)
    return int(bool(mistakes))


def batches(chosen: list[Misbehaviour]) -> Iterator[list[Misbehaviour]]:
    """Split them into runs."""
    for first in range(0, len(chosen), BATCH):
        yield chosen[first : first + BATCH]


if __name__ == "__main__":
    sys.exit(main())
