"""Options that a file does not tell: the user's, the other end's, or the usual ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnn_lockstep.adapters.models.recurrent_layer import (
    OPTIONS,
    InvalidModel,
    RecurrentLayer,
    with_forget_bias,
)

ADDED = "forget_bias"  # changes the weights, and is no option of a case
SETTABLE = (*OPTIONS, "outputs_reversed", ADDED)
WORDS = {"true": True, "false": False, "none": None}


def parsed(texts: list[str]) -> dict[str, Any]:
    """Options from texts like "activation=relu" and "reset_after=false". Raises InvalidModel."""
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in SETTABLE:
            raise InvalidModel(f"option {text!r}: needs name=value, of {', '.join(SETTABLE)}")
        options[name] = WORDS.get(value.lower(), value)
    return options


def settled(
    source: RecurrentLayer, target: RecurrentLayer | None, options: Mapping[str, Any]
) -> tuple[RecurrentLayer, RecurrentLayer | None, list[str]]:
    """Both layers with the options that they assume settled, and notes of those that still are assumed.

    Raises InvalidModel for an option that both ends tell themselves, or that does not fit.
    """
    ends = [source] if target is None else [source, target]
    for name in options:
        if not any(name in end.assumed for end in ends):
            raise InvalidModel(f"option {name}: the models themselves tell it")
    given = [with_options(end, options) for end in ends]
    if target is None:
        return given[0], None, [*assumptions(given[0], "source")]
    mine, its = given
    mine, its = as_told_by(mine, its), as_told_by(its, mine)
    return mine, its, [*assumptions(mine, "source"), *assumptions(its, "target")]


def as_told_by(layer: RecurrentLayer, other: RecurrentLayer) -> RecurrentLayer:
    """The layer with the options that it assumes as another knows them, if they fit."""
    told = {name: getattr(other, name) for name in SETTABLE if name not in {*other.assumed, ADDED}}
    try:
        return with_options(layer, told)
    except InvalidModel:
        return layer


def with_options(layer: RecurrentLayer, options: Mapping[str, Any]) -> RecurrentLayer:
    """The layer with those of the options that it assumed. Raises InvalidModel where they do not fit."""
    mine = {name: value for name, value in options.items() if name in layer.assumed}
    try:
        rest = tuple(name for name in layer.assumed if name not in mine)
        if ADDED in mine:
            mine[ADDED] = float(mine[ADDED])
            mine["cells"] = tuple(with_forget_bias(weights, mine[ADDED]) for weights in layer.cells)
        return replace(layer, **mine, assumed=rest)
    except ValueError as error:
        raise InvalidModel(f"{layer.name}: {error}") from None


def assumptions(layer: RecurrentLayer, end: str) -> list[str]:
    """Notes of the options that a layer still assumes, and of what a program adds to its weights."""
    names = [name for name in layer.assumed if name in SETTABLE and name != "return_sequences"]
    said = ", ".join(f"{name}={getattr(layer, name)}" for name in names)
    notes = [f"the {end} does not tell, so this is assumed: {said}"] if said else []
    if layer.forget_bias is not None:
        told = f"recurrent_b of the {end} is what its program adds to the forget gate: {layer.forget_bias:g}"
        notes.append(told)
    return notes
