"""Signatures of functions: the meaning of their parameters, told by the names."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

STATES = (
    *("initial_state", "initial_states", "state", "states", "h0", "hx", "h", "hidden", "hidden_state"),
    *("carry", "init", "initial_h", "h_0", "init_state", "init_states", "initial_carry", "init_carry"),
    *("initial_hidden", "init_hidden", "hidden_states", "prev_state", "prev_states", "start_state"),
)
CELL_STATES = ("initial_cell_state", "cell_state", "c0", "cx", "c", "c_0")
LENGTHS = (
    *("lengths", "seq_lengths", "sequence_lengths", "sequence_length", "input_lengths", "x_lengths"),
    *("lens", "seq_lens", "sequence_lens", "input_lens", "x_lens"),
)
MASKS = ("mask", "attention_mask")


class Signature(NamedTuple):
    """The names of a function's parameters beside the inputs; empty where there are none.

    state: takes h, or (h, c) of an LSTM; h alone where there is a `cell_state`.
    needed: whether `state` has no default.  padding_needed: whether `lengths`, or else `mask`, has none.
    """

    state: str = ""
    cell_state: str = ""
    lengths: str = ""
    mask: str = ""
    needed: bool = False
    padding_needed: bool = False


def signature_of(function: Callable[..., Any]) -> Signature:
    """The signature of a function of inputs, and perhaps more."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of what is compiled, nothing may be known
        return Signature()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]

    def one(names: tuple[str, ...]) -> str:
        return next((p.name for p in named[1:] if p.name in names), "")

    second = named[1] if len(named) > 1 and named[1].default is inspect.Parameter.empty else None
    state = one(STATES)
    if not state and second and second.name not in (*LENGTHS, *MASKS):
        state = second.name
    lengths, mask = one(LENGTHS), one(MASKS)
    needed = {p.name for p in named if p.default is p.empty}
    padding_needed = bool({lengths or mask} & needed)
    return Signature(state, one(CELL_STATES) if state else "", lengths, mask, state in needed, padding_needed)


def required(function: Callable[..., Any]) -> int:
    """The number of positional arguments without a default; 1 where that cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty and p.kind in kinds for p in parameters)
