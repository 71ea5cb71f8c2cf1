"""The weights of a port beside its source's, for every pair of options that two layers may have."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from rnn_lockstep.adapters import RecurrentLayer
from rnn_lockstep.adapters.port.check import check_port
from rnn_lockstep.adapters.port.weights import weights_diff
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import CELLS

D, H = 3, 5


def drawn(cell, *, biases=2, directions=1, layers=1, projected=False, **options):
    """A layer with the same numbers for the same sizes."""
    rng = np.random.default_rng(0)
    rows, out = len(CELLS[cell].gates) * H, 4 if projected else H
    sizes = [D] * directions + [out] * (directions * (layers - 1))
    cells = []
    for size in sizes:
        arrays = [rng.normal(size=shape) for shape in [(rows, size), (rows, out)] + [(rows,)] * 2]
        arrays[2 + biases :] = [None] * (2 - biases)
        projection = rng.normal(size=(out, H)) if projected else None
        cells.append(Weights(*arrays, projection))
    return RecurrentLayer("it", tuple(cells), cell, **options)


FORMS = (
    {},
    {"reverse": True},
    {"reverse": True, "outputs_reversed": True},
    {"return_sequences": False},
    {"layers": 2},
    {"merge_mode": "concat", "directions": 2},
    {"merge_mode": "sum", "directions": 2},
)


def of_every_option(cell):
    """A layer for every combination of the options of a cell and the number of its biases."""
    own = CELLS[cell].options
    chosen = product(*(kinds[:2] for kinds in own.values()), (0, 1, 2))
    return [drawn(cell, **dict(zip((*own, "biases"), values, strict=True))) for values in chosen]


def of_every_form(cell):
    """A layer for every form around a cell."""
    projected = [drawn(cell, projected=True)] if cell == "lstm" else []
    return [drawn(cell, **form) for form in FORMS] + projected


@pytest.mark.parametrize("of_every", [of_every_option, of_every_form])
@pytest.mark.parametrize("cell", [name for name in CELLS if not CELLS[name].peepholes])
def test_every_pair_is_compared(cell, of_every):
    """Nothing is told of a layer beside itself, something beside any other; nothing raises."""
    layers = of_every(cell)
    for source, target in product(layers, layers):
        diff = weights_diff(source, target)
        assert bool(diff.cause) == (source is not target), (source, target)
        assert all(line and "\n" not in line for line in diff.lines())


@pytest.mark.parametrize("cells", [("gru", "lstm"), ("simple_rnn", "gru"), ("lstm", "simple_rnn")])
def test_layers_of_other_cells_are_told_apart(cells):
    source, target = map(drawn, cells)
    assert weights_diff(source, target).cause.startswith(f"cell is {cells[1]}, and {cells[0]} in the source")


@pytest.mark.parametrize("biases", [(2, 1), (2, 2), (1, 2), (1, 1), (0, 2)])
@pytest.mark.parametrize("after", [(True, False), (False, True)])
def test_a_reset_gate_on_the_other_side_is_named(biases, after):
    source, target = (drawn("gru", biases=n, reset_after=a) for n, a in zip(biases, after, strict=True))
    lines = list(weights_diff(source, target).lines())
    assert lines[0].startswith("W identical; U identical; b")
    assert lines[1] == "the reset gate is applied on the other side of U (reset_after is wrong)"
    assert lines[2].startswith("of the biases only the sum was compared")
    verdict = check_port(source, target, examples=3)
    assert "the reset gate is applied on the other side of U" in str(verdict).splitlines()[0]


def test_wrong_biases_beside_the_other_side_of_the_reset_gate_are_told_too():
    source = drawn("gru", reset_after=True)
    [weights] = source.cells
    summed = weights._replace(b=weights.b + weights.recurrent_b, recurrent_b=None)
    target = replace(source, cells=(summed,), reset_after=False)
    assert "b identical (it is the sum of the source's two" in next(weights_diff(source, target).lines())
    wrong = replace(target, cells=(summed._replace(b=summed.b + np.eye(15)[7]),))
    assert "b[7] is" in weights_diff(source, wrong).cause
