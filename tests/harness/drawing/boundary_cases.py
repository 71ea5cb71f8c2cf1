"""Cases on boundaries: sizes of a power of two from 8 to 256, one less and one more, in every dimension.

There code changes its way: to vectors, to blocks, to threads. Each size is a batch, a time, an input_size
and a hidden_size in one of the shapes, where large ones come together with small ones.
"""

from collections.abc import Iterator, Sequence

from rnn_lockstep.adapters import Case, Facts
from rnn_lockstep.adapters.backends.contract import CELLS
from rnn_lockstep.tests.harness.drawing.make_case import Shape, Variant, make_case
from rnn_lockstep.tests.harness.drawing.strategies import can_do, plain

# batch, time, input_size, hidden_size. Each six of them have all powers of two, or neighbours, in each place.
SHAPES: Sequence[Shape] = (
    (7, 16, 15, 257),
    (15, 256, 64, 9),
    (255, 8, 257, 17),
    (33, 63, 7, 128),
    (65, 127, 32, 32),
    (129, 31, 129, 64),
    (8, 32, 31, 255),
    (31, 257, 128, 7),
    (256, 9, 9, 33),
    (17, 65, 255, 127),
    (64, 129, 16, 16),
    (128, 15, 65, 63),
    (9, 64, 63, 256),
    (63, 255, 256, 8),
    (257, 7, 17, 65),
    (16, 33, 127, 129),
    (32, 128, 8, 15),
    (127, 17, 33, 31),
)
# Dealt out to the shapes in turn, each in a number that does not divide that of the shapes or of another.
DTYPES = ("float32", "float64")
REGIMES = ("contractive", "critical", "chaotic", "growing")
WAYS: Sequence[Variant] = (
    {},
    {"padding": "ragged"},
    {"layers": 2, "padding": "ragged"},
    {"reverse": True},
    {"biases": 1, "reverse": True, "padding": "ragged"},
)


def boundary_cases(cell: str, facts: Facts, seed: int) -> Iterator[Case]:
    """Make a case of a cell in each shape; with another seed other dtypes and ways are dealt to it.

    A backend that compiles gets two thirds of them, other ones of each cell.
    """
    left_out = SHAPES[6 * CELLS.index(cell) :][:6] if facts.compiles else ()
    dtypes = [dtype for dtype in DTYPES if dtype in facts.dtypes] or facts.dtypes
    for k, shape in enumerate(SHAPES, seed * (len(SHAPES) + 1)):
        if shape in left_out:
            continue
        usual = {**plain(facts, cell), "biases": 2 if 2 in facts.biases else facts.biases[0]}
        way = {**usual, **WAYS[k % len(WAYS)]}
        if not can_do(facts, cell, way):
            way = plain(facts, cell)
        yield make_case(
            cell=cell,
            shape=shape,
            dtype=dtypes[k % len(dtypes)],
            variant=way,
            regime=REGIMES[k % len(REGIMES)],
            layout="contiguous",
            given_state=k % 7 < 5,
            padding="none",
            reverse=False,
            source=k,
        )
