"""Cases that show drift: random numbers with all their bits, in the strengths that leave errors visible."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from rnn_lockstep.adapters import Case, Facts
from rnn_lockstep.tests.harness.drawing.make_case import Shape, Variant, make_case
from rnn_lockstep.tests.harness.drawing.strategies import can_do

# Many terms and units, and rows enough that the noise of rounding averages out.
SHAPE: Shape = (8, 4, 32, 64)
WIDE: Shape = (4, 3, 64, 257)
LONG: Shape = (2, 8, 16, 64)
REGIMES = ("critical", "chaotic", "contractive")
# Layers of which states are not shown, so that errors are carried; a backend gets the first few it can do.
CARRIED: Sequence[Variant] = (
    {"layers": 2, "merge_mode": "concat"},
    {"merge_mode": "sum"},
    {"layers": 2, "merge_mode": "mul", "return_sequences": False},
    {"layers": 2},
    {"return_sequences": False},
)
FORMS = 3  # of these that a backend gets


def drift_cases(cell: str, dtype: str, facts: Facts, count: int, shape: Shape = SHAPE) -> Iterator[Case]:
    """Make so many cases of a cell, the same ones each time; of the biases, as many as the backend takes."""
    for seed, regime in enumerate(islice(cycle(REGIMES), count)):
        yield drift_case(cell, dtype, facts, shape, regime, {}, seed)


def carried_cases(cell: str, dtype: str, facts: Facts, count: int, shape: Shape = LONG) -> Iterator[Case]:
    """Make so many cases of which not all states are shown; none where the backend can do no such layer."""
    forms = [form for form in CARRIED if can_do(facts, cell, {**form, "biases": facts.biases[0]})][:FORMS]
    regimes = ("critical", "contractive")  # where errors fade, or at least do not grow
    for seed, form in enumerate(islice(cycle(forms), count)):
        yield drift_case(cell, dtype, facts, shape, regimes[seed // FORMS % 2], form, seed)


def drift_case(
    cell: str, dtype: str, facts: Facts, shape: Shape, regime: str, form: Variant, seed: int
) -> Case:
    """Make the case of these choices."""
    biases = 1 if 1 in facts.biases and cell == "simple_rnn" else max(facts.biases)
    return make_case(
        cell=cell,
        shape=shape,
        dtype=dtype,
        variant={"biases": biases, **form},
        regime=regime,
        layout="contiguous",
        given_state=True,
        padding="none",
        reverse=False,
        source=seed,
    )
