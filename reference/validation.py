"""The conditions a layer's arrays must meet, each failure told in one line."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from reference.cells import GATES, Weights

Array = np.ndarray[Any, np.dtype[Any]]


def floats(name: str, value: Any, dtypes: Sequence[str], finite: bool = True) -> Array:
    """`value` as an array of one of `dtypes`, `finite` or not; else a ValueError naming array and problem."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is not a rectangular array: its rows differ in length") from None
    if array.dtype.name not in dtypes:
        raise ValueError(f"{name} has dtype {array.dtype}, needs {' or '.join(dtypes)}")
    if finite:
        need_finite(name, array)
    return array


def need_finite(name: str, array: Array, among: Any = True) -> None:
    """Raise a ValueError where `array` is not finite; `among` tells which of its first indices matter."""
    wrong = ~np.isfinite(array)
    if wrong.any() and (wrong := (wrong.T & np.transpose(among)).T).any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"{name} must be finite, but holds {array[where]} at index {where}")


def need_lengths(lengths: Any, batch: int, time: int) -> None:
    """Raise a ValueError unless `lengths` are (batch,) integers from 0 to time."""
    if not isinstance(lengths, np.ndarray) or lengths.dtype.kind not in "iu" or lengths.shape != (batch,):
        got = (
            f"{lengths.dtype} {lengths.shape}" if isinstance(lengths, np.ndarray) else type(lengths).__name__
        )
        raise ValueError(f"lengths is {got}, needs integers of shape (batch,) = ({batch},)")
    if batch and not 0 <= lengths.min() <= lengths.max() <= time:
        raise ValueError(f"lengths is {lengths.tolist()}, needs numbers from 0 to time = {time}")


def need_shape(name: str, array: Array, shape: tuple[int, ...], meaning: str) -> None:
    """Raise a ValueError unless `array` has `shape`; `meaning` says what the axes are."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, needs {meaning} = {shape}")


def one_of(name: str, value: str, choices: Collection[str]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, needs one of {', '.join(choices)}")


def need_layer(cell: str, inputs: Array, weights: Weights, states: dict[str, Array | None]) -> None:
    """Raise a ValueError unless the arrays form one layer and its call.

    inputs (time, D) or (batch, time, D); W (gates·H, D); U (gates·H, H); biases (gates·H,) or None;
    states, by name: (H,) or (batch, H), as the inputs are batched, or None.
    """
    if inputs.ndim not in (2, 3):
        raise ValueError(
            f"inputs has shape {inputs.shape}, needs (time, input_size) or (batch, time, input_size)"
        )
    W, U, *biases = weights
    if W.ndim != 2:
        raise ValueError(f"W has shape {W.shape}, needs (hidden_size, input_size)")
    count = len(GATES[cell])
    input_size, (hidden_size, rest) = inputs.shape[-1], divmod(W.shape[0], count)
    if rest:
        raise ValueError(f"W has shape {W.shape}, needs a multiple of {count} rows for the gates of {cell}")
    if input_size == 0 or hidden_size == 0:
        raise ValueError(f"W has shape {W.shape}: input_size and hidden_size must be at least 1")
    rows = "hidden_size" if count == 1 else f"{count}*hidden_size"
    need_shape("W", W, (W.shape[0], input_size), f"({rows}, input_size)")
    need_shape("U", U, (W.shape[0], hidden_size), f"({rows}, hidden_size)")
    for name, bias in zip(("b", "recurrent_b"), biases, strict=True):
        if bias is not None:
            need_shape(name, bias, (W.shape[0],), f"({rows},)")
    batch = inputs.shape[:-2]
    for name, state in states.items():
        if state is not None:
            meaning = "(batch, hidden_size)" if batch else "(hidden_size,)"
            need_shape(name, state, (*batch, hidden_size), meaning)
