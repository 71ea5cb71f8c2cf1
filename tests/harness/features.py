"""Features of a case, the columns of the matrix: what a case has decides, and no test's name."""

from collections.abc import Callable, Mapping

from rnn_lockstep.reference import Case
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS

LONG = 200  # steps from which a sequence is a long one
GRADIENTS, TRAINING = "grad", "train"  # what is asked for beside an answer, as in `Scores`
Has = Callable[[Case, str], bool]


def has_cell(name: str) -> Has:
    """Make the question whether a case has this cell."""
    return lambda case, of: case.cell == name


def has_dtype(name: str) -> Has:
    """Make the question whether a case has this dtype."""
    return lambda case, of: case.dtype.name == name


def has_activation(name: str) -> Has:
    """Make the question whether a case has this activation."""
    return lambda case, of: case.activation == name


# Every feature by its group: whether a case has it, of which an answer, gradients or training is asked for.
GROUPS: Mapping[str, Mapping[str, Has]] = {
    "cells": {name: has_cell(name) for name in CELLS},
    "dtypes": {name: has_dtype(name) for name in DTYPES},
    "forms": {
        "no bias": lambda case, of: case.b is None,
        "two biases": lambda case, of: case.recurrent_b is not None,
        "reset before": lambda case, of: case.cell == "gru" and not case.reset_after,
        "projection": lambda case, of: case.projection is not None,
        "clip": lambda case, of: case.clip is not None,
        "input_forget": lambda case, of: case.input_forget,
    },
    "directions": {
        "reverse": lambda case, of: case.reverse,
        "bidirectional": lambda case, of: case.directions == 2,
    },
    "stacks": {
        "layers": lambda case, of: case.layers > 1,
        "last output": lambda case, of: not case.return_sequences,
    },
    "lengths": {
        "lengths": lambda case, of: case.lengths is not None,
        "length 0": lambda case, of: bool(case.time and case.padded and (~case.valid).all(axis=1).any()),
        "mask": lambda case, of: case.mask is not None,
        "no steps": lambda case, of: case.time == 0,
        "no rows": lambda case, of: case.batch == 0,
        "long": lambda case, of: case.time >= LONG,
    },
    "states": {"initial state": lambda case, of: case.initial_state is not None},
    "derivatives": {
        "gradients": lambda case, of: of == GRADIENTS,
        "training": lambda case, of: of == TRAINING,
    },
    "activations": {
        **{name: has_activation(name) for name in ACTIVATIONS if name != "tanh"},
        "other gates": lambda case, of: case.recurrent_activation != "sigmoid",
    },
}
FEATURES: Mapping[str, Has] = {name: has for group in GROUPS.values() for name, has in group.items()}
PLAIN = frozenset((*GROUPS["cells"], *GROUPS["dtypes"]))  # of which every case has two


def features(case: Case, of: str = "") -> list[str]:
    """List the features of a case, in the order of the table. of: "", GRADIENTS or TRAINING."""
    return [name for name, has in FEATURES.items() if has(case, of)]


def blamed(case: Case, of: str = "", smallest: bool = True) -> list[str]:
    """List the features that a wrong answer is put down to: those that are special about its case.

    Where none is, or no smaller case was looked for (`smallest` is False), its cell and its dtype.
    """
    found = features(case, of)
    special = [name for name in found if name not in PLAIN] if smallest else []
    return special or [name for name in found if name in PLAIN]
