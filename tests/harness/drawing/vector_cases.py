"""The cases of the conformance vectors: a fixed table, small and balanced, in which every feature comes up.

A row is a form of a layer in a shape, a dtype and a regime. Its values come from a seed made of the row
itself, so a new row changes no other vector. Sizes are kept small, strengths such that the carried bound
stays sharp; the few large sizes are those beyond which code changes its way, see `boundary_cases`.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.training import cells_of, weights_of
from rnn_lockstep.tests.harness.drawing.make_case import REGIMES, Variant, make_case
from rnn_lockstep.tests.harness.drawing.strategies import (
    ALL_VARIANTS,
    DIFFERENTIATED,
    HALF_TYPES,
    LENGTHS,
    MASKS,
    STACKS,
    VARIANTS,
    without_nan,
)

SINGLE, DOUBLE = "float32", "float64"
USUAL, RAGGED = (2, 4, 5, 4), (3, 6, 4, 3)
UPDATES, CHANGE = 3, 0.02  # of a training: its cases, and by how much the weights change between two


class Row(NamedTuple):
    """A vector's form: choices of `make_case`, and whether gradients are asked for, or while training."""

    variant: Variant
    shape: tuple[int, int, int, int] = USUAL  # batch, time, input_size, hidden_size
    dtype: str = DOUBLE
    regime: str = "critical"
    given_state: bool = True
    padding: str = "none"
    reverse: bool = False
    layout: str = "contiguous"
    cotangents: str = ""  # "all", or the one array of the answer that L depends on
    training: bool = False
    draw: int = 0  # of the values; another where the first one's bound proves nothing


SIZES_OF_ALL: Sequence[Row] = (
    Row({}, (7, 6, 2, 2), padding="ragged"),  # whose rows sorted by length are no swaps of two
    Row({}, (3, 260, 1, 2), regime="contractive", padding="one full, one empty"),
    Row({"layers": 2}, (1, 20, 2, 2), regime="contractive"),
    Row({"layers": 2, "merge_mode": "concat"}, (1, 1, 2, 64), SINGLE, "contractive"),
    Row({"merge_mode": "sum"}, (1, 1, 2, 64), SINGLE, "saturated"),
)
# Of every cell, with its usual biases: sizes at which code changes its way, one dimension at a time.
SIZES: Mapping[str, Sequence[Row]] = {
    "simple_rnn": (
        Row({}, (1, 8, 8, 17), SINGLE),
        Row({}, (8, 3, 3, 2)),
        Row({}, (1, 16, 2, 3)),
        Row({}, (1, 2, 3, 65), SINGLE),
        Row({}, (1, 210, 3, 3), regime="contractive"),
    ),
    "gru": (
        Row({}, (2, 3, 8, 8), SINGLE),
        Row({}, (1, 2, 3, 16)),
        Row({}, (256, 2, 2, 2), SINGLE),
        Row({}, (1, 1, 2, 257), SINGLE),
        Row({}, (1, 210, 2, 2), regime="contractive"),
    ),
    "lstm": (
        Row({}, (2, 8, 8, 8), SINGLE),
        Row({}, (1, 1, 2, 129), SINGLE),
        Row({}, (1, 2, 257, 3), SINGLE),
        Row({}, (1, 70, 3, 3), SINGLE, "contractive"),
        Row({}, (1, 210, 2, 2), regime="saturated"),
    ),
    "peephole_lstm": (
        Row({}, (1, 1, 2, 129), SINGLE),
        Row({}, (1, 70, 3, 3), SINGLE, "contractive"),
        Row({}, (1, 210, 2, 2), regime="contractive"),
    ),
}
# Of every cell, in float16: subnormal numbers beside large ones, drawn such that the bound proves something.
SUBNORMAL: Mapping[str, Row] = {
    "simple_rnn": Row({}, (1, 2, 4, 4), "float16", "special", draw=20),
    "gru": Row({}, (3, 1, 8, 4), "float16", "special", given_state=False, draw=24),
    "lstm": Row({}, (2, 3, 4, 2), "float16", "special", draw=13),
    "peephole_lstm": Row({}, (3, 1, 8, 4), "float16", "special", draw=17),
}


def vector_cases(cell: str) -> Iterator[tuple[Case, Cotangents | None]]:
    """The cases of a cell, always the same and in the same order, with cotangents where gradients are asked.

    Those of a training follow each other: the same data with weights that have changed a little.
    """
    for row in rows(cell):
        case, cotangents = made(cell, row)
        for _ in range(UPDATES if row.training else 1):
            yield case, cotangents
            case = with_changed_weights(case)


def with_changed_weights(case: Case) -> Case:
    """The case with weights that have changed a little, as by an update in training."""
    rng = np.random.default_rng(case.hidden_size)
    changed = {
        name: (w + CHANGE * rng.uniform(-1, 1, w.shape)).astype(case.dtype)
        for name, w in weights_of(case).items()
    }
    first, *more = cells_of(case, changed)
    return replace(case, **first._asdict(), more_weights=tuple(more))


def rows(cell: str) -> Iterator[Row]:
    """The table of a cell."""
    usual = VARIANTS[cell][0]
    dtypes = cycle((SINGLE, DOUBLE))
    paddings = cycle(("none", "ragged", "scattered", "one full, one empty", "scattered, one empty"))
    for variant in ALL_VARIANTS[cell]:
        if {"clip", "input_forget"} & variant.keys():  # known to engines that have no float64
            yield Row(variant, dtype=SINGLE)
        else:
            yield Row(variant, dtype=SINGLE, given_state=False)
            yield Row(variant)
    for variant in STACKS[cell]:
        yield Row(variant, dtype=SINGLE)
        yield Row(variant, RAGGED, padding=next(paddings))
    for reverse in (False, True):
        for padding in dict.fromkeys((*LENGTHS, *MASKS)):
            yield Row(usual, RAGGED, next(dtypes), padding=padding, reverse=reverse)
    for padding in ("none", "ragged", "scattered, one empty"):
        for reverse in (False, True):
            last = {**usual, "return_sequences": False}
            yield Row(last, RAGGED, next(dtypes), padding=padding, reverse=reverse)
    for shape in ((2, 0, 3, 3), (0, 3, 3, 3), (1, 1, 3, 3), (1, 3, 5, 1)):
        yield Row(usual, shape, next(dtypes))
        yield Row(usual, shape, next(dtypes), given_state=False)
    for regime in REGIMES:
        if (
            regime != "tiny" or len(CELLS[cell].states) == 1
        ):  # what tanh may be off by is all of a tiny cell state
            yield Row(usual, (3, 5, 4, 4), regime=regime)
    for layout in ("strided", "fortran"):
        yield Row(usual, RAGGED, SINGLE, layout=layout)
    for row in (*SIZES[cell], *SIZES_OF_ALL):
        yield row._replace(variant={**usual, **row.variant})
    yield from half_rows(cell)
    yield from gradient_rows(cell)


def half_rows(cell: str) -> Iterator[Row]:
    """Vectors in float16 and bfloat16: short, and of weak states, since their bounds are wide."""
    usual = VARIANTS[cell][0]
    for dtype in HALF_TYPES:
        for variant in (usual, {**usual, "biases": 1}):
            yield Row(variant, (2, 3, 3, 3), dtype, "contractive")
        yield Row({**usual, "layers": 2}, (2, 2, 2, 2), dtype, "contractive", draw=4)
        yield Row(usual, (2, 3, 3, 3), dtype, "contractive", padding="ragged", reverse=True, draw=3)
        yield Row(usual, (2, 3, 3, 3), dtype, "contractive", padding="scattered")
    yield SUBNORMAL[cell]._replace(variant=usual)


def gradient_rows(cell: str) -> Iterator[Row]:
    """Vectors of gradients, by all of an answer and by each array of it alone, and those of a training."""
    usual = VARIANTS[cell][-1]
    names = ("outputs", "final_state", "final_cell_state")[: 1 + len(CELLS[cell].states)]
    for dtype in (SINGLE, DOUBLE):
        for variant in (*VARIANTS[cell], *DIFFERENTIATED[cell]):
            yield Row(variant, (2, 3, 3, 3), dtype, "contractive", cotangents="all", draw=6)
    for name in names:
        yield Row(usual, (1, 3, 3, 3), cotangents=name)
    for padding in ("ragged", "scattered, one empty"):
        for reverse in (False, True):
            yield Row(usual, RAGGED, padding=padding, reverse=reverse, cotangents="all")
    for variant in ({"biases": 2, "return_sequences": False}, {"biases": 2, "layers": 2}):
        yield Row(variant, (2, 20, 2, 2), regime="contractive", cotangents="all")
    yield Row(VARIANTS[cell][0], (2, 20, 2, 2), regime="contractive", cotangents="all")
    yield Row({}, (2, 3, 3, 3), cotangents="all", training=True)
    yield Row({"biases": 2}, (2, 3, 3, 3), cotangents="all", training=True)


def made(cell: str, row: Row) -> tuple[Case, Cotangents | None]:
    """The case of a row, and the cotangents if it has any."""
    seed = zlib.crc32(repr((cell, *row)).encode())
    choices = row._asdict()
    wanted = choices.pop("cotangents")
    del choices["training"], choices["draw"]
    case = make_case(cell=cell, source=seed, **choices)
    if not wanted:
        return case, None
    return without_nan(case), cotangents_for(case, wanted, seed)  # derivatives turn a NaN in padding to NaN


def cotangents_for(case: Case, wanted: str, seed: int) -> Cotangents:
    """Random derivatives of L by every array of an answer, or by one of them."""
    rng = np.random.default_rng(seed)
    steps = (case.time,) if case.return_sequences else ()
    shapes = ((case.batch, *steps, case.features), *case.state_shapes)
    arrays: dict[str, Any] = {
        name: rng.normal(size=shape).astype(case.dtype)
        for name, shape in zip(Cotangents._fields, shapes, strict=False)
    }
    return Cotangents(**{name: array for name, array in arrays.items() if wanted in ("all", name)})
