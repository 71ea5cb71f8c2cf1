"""Needs of a test: what a backend must declare to be asked it; where it does not, the test is skipped."""

import re
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.backends.contract import CELLS
from rnn_lockstep.reference.bound.arithmetic import DTYPES


def has_dtype(name: str, facts: Facts) -> bool:
    """Tell whether a dtype is declared."""
    return name in facts.dtypes


def has_cell(name: str, facts: Facts) -> bool:
    """Tell whether a cell is declared."""
    return name in facts.cells


# Everything that a test may need, in the words of the reason that is given where it is missing.
DECLARED: Mapping[str, Callable[[Facts], bool]] = {
    **{dtype: partial(has_dtype, dtype) for dtype in DTYPES},
    **{cell: partial(has_cell, cell) for cell in CELLS},
    "layers with one bias": lambda facts: 1 in facts.biases,
    "lengths": lambda facts: facts.lengths,
    "masks": lambda facts: facts.masks,
    "reverse": lambda facts: facts.reverse,
    "stacks": lambda facts: facts.layers > 1,
    "bidirectional layers": lambda facts: bool(facts.merge_modes),
    "summed directions": lambda facts: "sum" in facts.merge_modes,
    "last outputs": lambda facts: facts.last_output,
    "long sequences": lambda facts: facts.most_steps is None,
    "gradients": lambda facts: facts.gradients,
}
SEVERAL = "stacks, bidirectional layers or last outputs"
HIDDEN = "stacks, summed directions or last outputs"  # of which not all states are shown
EXACT = "float32 or float64"  # an error that is carried along says too little in a half type


def needs(*wanted: str) -> pytest.MarkDecorator:
    """Mark a test, or a parameter of one, that asks a backend for all of these names of `DECLARED`.

    One of several will do where they are joined by commas and "or": "float16 or bfloat16".
    """
    for need in wanted:
        assert set(alternatives(need)) <= DECLARED.keys(), f"{need}: there are {', '.join(DECLARED)}"
    return pytest.mark.needs(*wanted)


def alternatives(need: str) -> list[str]:
    """Split a need into the names of which one will do."""
    return re.split(", | or ", need)


def missing(item: pytest.Item, facts: Facts) -> str:
    """Give the first need of a test that the facts do not declare; empty where they declare all.

    A test with a `cell` among its parameters needs that cell.
    """
    wanted = [need for mark in item.iter_markers("needs") for need in mark.args]
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    wanted += [parameters["cell"]] if "cell" in parameters else []
    unmet = (need for need in wanted if not any(DECLARED[name](facts) for name in alternatives(need)))
    return next(unmet, "")
