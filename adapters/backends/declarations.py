"""Declarations of an adapter, checked: what its facts say must mean something."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from rnn_lockstep.adapters.backends.contract import CELLS, EVERYTHING, Facts
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.reference import FunctionError
from rnn_lockstep.reference.bound.arithmetic import DTYPES, PRODUCTS
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS

Meant = Callable[[Any], bool]


def some_of(known: tuple[Any, ...], least: int = 0) -> tuple[str, Meant]:
    """What a tuple of these needs to be, in words and as a question."""

    def meant(value: Any) -> bool:
        return (
            isinstance(value, tuple | list) and len(value) >= least and all(each in known for each in value)
        )

    return f"a tuple of {', '.join(map(str, known))}", meant


def is_error(value: Any) -> bool:
    """Tell whether it is an error that a function may have."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def are_errors(value: Any) -> bool:
    """Tell whether these are errors by the names of dtypes."""
    return isinstance(value, Mapping) and all(k in DTYPES and is_error(v) for k, v in value.items())


def are_function_errors(value: Any) -> bool:
    """Tell whether these are errors of functions by their names and by the names of dtypes."""
    return isinstance(value, Mapping) and all(
        name in ACTIVATIONS
        and isinstance(errors, Mapping)
        and all(dtype in DTYPES and isinstance(error, FunctionError) for dtype, error in errors.items())
        and all(is_error(number) for error in errors.values() for number in error if number is not None)
        for name, errors in value.items()
    )


ERRORS = ("a number that is 0 or more for each dtype", are_errors)
YES_OR_NO = ("True or False", lambda value: isinstance(value, bool))
NEEDED: dict[str, tuple[str, Meant]] = {
    "dtypes": some_of(DTYPES, least=1),
    "cells": some_of(CELLS, least=1),
    "reset_after": some_of(EVERYTHING["reset_after"], least=1),
    "biases": some_of(EVERYTHING["biases"], least=1),
    "merge_modes": some_of(EVERYTHING["merge_modes"]),
    "activations": some_of(tuple(ACTIVATIONS)),
    "layers": ("a whole number from 1", lambda value: type(value) is int and value >= 1),
    "most_steps": (
        "a whole number from 1, or None",
        lambda value: value is None or (type(value) is int and value >= 1),
    ),
    "tanh_ulps": ERRORS,
    "sigmoid_ulps": ERRORS,
    "tanh_typical": ERRORS,
    "sigmoid_typical": ERRORS,
    "function_error": ("a number that is 0 or more", is_error),
    "products": (
        f"one of {', '.join(PRODUCTS)} or nothing",
        lambda value: isinstance(value, str) and value in ("", *PRODUCTS),
    ),
    "functions": ("a FunctionError by activation and dtype", are_function_errors),
    **dict.fromkeys(
        (
            *("lengths", "masks", "reverse", "last_output", "gradients", "projection"),
            *("clip", "input_forget"),
            *("compiles", "recomputes", "varies"),
        ),
        YES_OR_NO,
    ),
}


def mistake_in(facts: Facts) -> str:
    """The first declaration that means nothing, in words; empty where there is none."""
    for name, (needs, meant) in NEEDED.items():
        if not meant(value := getattr(facts, name)):
            return f"declares {name}={printable(value)}, needs {needs}"
    return ""
