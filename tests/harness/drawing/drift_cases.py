"""Cases that show drift: random numbers with all their bits, in the strengths that leave errors visible."""

from collections.abc import Iterator
from itertools import cycle, islice

from rnn_lockstep.adapters import Case, Facts
from rnn_lockstep.tests.harness.drawing.make_case import Shape, make_case

# Many terms and units, and rows enough that the noise of rounding averages out.
SHAPE: Shape = (8, 4, 32, 64)
WIDE: Shape = (4, 3, 64, 257)
REGIMES = ("critical", "chaotic", "contractive")


def drift_cases(cell: str, dtype: str, facts: Facts, count: int, shape: Shape = SHAPE) -> Iterator[Case]:
    """Make so many cases of a cell, the same ones each time; of the biases, as many as the backend takes."""
    for seed, regime in enumerate(islice(cycle(REGIMES), count)):
        yield make_case(
            cell=cell,
            shape=shape,
            dtype=dtype,
            variant={"biases": 1 if 1 in facts.biases and cell == "simple_rnn" else max(facts.biases)},
            regime=regime,
            layout="contiguous",
            given_state=True,
            padding="none",
            reverse=False,
            source=seed,
        )
