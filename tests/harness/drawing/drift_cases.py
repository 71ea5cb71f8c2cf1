"""Cases that show drift: random numbers with all their bits, in the strengths that leave errors visible."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice

import numpy as np

from rnn_lockstep.adapters import Case, Facts
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.tests.harness.drawing.make_case import Shape, Variant, make_case
from rnn_lockstep.tests.harness.drawing.strategies import can_do, plain

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
        case = drift_case(cell, dtype, facts, shape, regime, {}, seed)
        stored = FORMATS[dtype].stored_only and seed % 2 == 0
        yield cancelling(case, seed) if stored else case


def carried_cases(cell: str, dtype: str, facts: Facts, count: int, shape: Shape = LONG) -> Iterator[Case]:
    """Make so many cases of which not all states are shown; none where the backend can do no such layer."""
    forms = [form for form in CARRIED if can_do(facts, cell, {**plain(facts, cell), **form})][:FORMS]
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
        variant={**plain(facts, cell), "biases": biases, **form},
        regime=regime,
        layout="contiguous",
        given_state=True,
        padding="none",
        reverse=False,
        source=seed,
    )


def cancelling(case: Case, seed: int) -> Case:
    """The case with a W·x whose second half of terms takes back most of the first.

    A sum in float32 loses nothing by that; one in a half type is rounded where it is large.
    """
    half = case.input_size // 2
    inputs, W = np.abs(case.inputs.astype(np.float64)), 2 * np.abs(case.W.astype(np.float64))
    apart = 0.1 * np.random.default_rng(seed).normal(size=inputs[..., :half].shape)
    inputs[..., half : 2 * half] = inputs[..., :half] * (1 + apart)
    W[:, half : 2 * half] = -W[:, :half]
    return replace(case, inputs=inputs.astype(case.dtype), W=W.astype(case.dtype))
