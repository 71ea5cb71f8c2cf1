"""The conditions a layer's arrays must meet, each failure told in one line."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reference.cells import ACTIVATIONS

Array = np.ndarray[Any, np.dtype[Any]]

RANKS = {
    1: "(hidden_size,)",
    2: "(batch, hidden_size)",
}


def floats(name: str, value: Any, dtypes: Sequence[str]) -> Array:
    """`value` as a finite array of one of `dtypes`, else ValueError naming the array and the problem."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is not a rectangular array: its rows differ in length") from None
    if array.dtype.name not in dtypes:
        raise ValueError(f"{name} has dtype {array.dtype}, needs {' or '.join(dtypes)}")
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"{name} must be finite, but holds {array[where]} at index {where}")
    return array


def need_shape(name: str, array: Array, shape: tuple[int, ...], meaning: str) -> None:
    """Raise a ValueError unless `array` has `shape`; `meaning` says what the axes are."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, needs {meaning} = {shape}")


def need_layer(
    inputs: Array, W: Array, U: Array, b: Array, initial_state: Array | None, activation: str
) -> None:
    """Raise a ValueError unless the arrays form one simple RNN layer and its call.

    inputs (time, D) or (batch, time, D); W (H, D); U (H, H); b (H,); initial_state (H,) or (batch, H).
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}, needs one of {', '.join(ACTIVATIONS)}")
    if inputs.ndim not in (2, 3):
        raise ValueError(
            f"inputs has shape {inputs.shape}, needs (time, input_size) or (batch, time, input_size)"
        )
    if W.ndim != 2:
        raise ValueError(f"W has shape {W.shape}, needs (hidden_size, input_size)")
    input_size, hidden_size = inputs.shape[-1], W.shape[0]
    if input_size == 0 or hidden_size == 0:
        raise ValueError(f"W has shape {W.shape}: input_size and hidden_size must be at least 1")
    need_shape("W", W, (hidden_size, input_size), "(hidden_size, input_size)")
    need_shape("U", U, (hidden_size, hidden_size), "(hidden_size, hidden_size)")
    need_shape("b", b, (hidden_size,), "(hidden_size,)")
    if initial_state is not None:
        state_shape = (*inputs.shape[:-2], hidden_size)
        need_shape("initial_state", initial_state, state_shape, RANKS[len(state_shape)])
