"""The conditions a layer's arrays must meet, each failure told in one line."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.reference.oracle.cells import CELLS, Weights

Array = np.ndarray[Any, np.dtype[Any]]


def as_floats(name: str, value: Any, dtypes: Sequence[str], finite: bool = True) -> Array:
    """Return `value` as an array of one of `dtypes`; raise a ValueError, naming the array, if it is none.

    finite: infinities and NaN are refused too.
    """
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
    """Raise a ValueError if an array is not finite. among: bools of its first axes, where it must be."""
    wrong = ~np.isfinite(array)
    if wrong.any() and (wrong := (wrong.T & np.transpose(among)).T).any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"{name} must be finite, but holds {array[where]} at index {where}")


def form(value: Any) -> str:
    """The dtype and shape of an array, or the type of anything else, in words."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def need_lengths(lengths: Any, batch: int, time: int) -> None:
    """Raise a ValueError unless `lengths` are (batch,) integers from 0 to time."""
    if not isinstance(lengths, np.ndarray) or lengths.dtype.kind not in "iu" or lengths.shape != (batch,):
        raise ValueError(f"lengths is {form(lengths)}, needs integers of shape (batch,) = ({batch},)")
    if batch and not 0 <= lengths.min() <= lengths.max() <= time:
        raise ValueError(f"lengths is {lengths.tolist()}, needs numbers from 0 to time = {time}")


def need_mask(mask: Any, batch: int, time: int) -> None:
    """Raise a ValueError unless `mask` is (batch, time), bool."""
    if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (batch, time):
        raise ValueError(f"mask is {form(mask)}, needs bools of shape (batch, time) = ({batch}, {time})")


def need_shape(name: str, array: Array, shape: tuple[int, ...], meaning: str) -> None:
    """Raise a ValueError unless `array` has `shape`; `meaning` says what the axes are."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, needs {meaning} = {shape}")


def one_of(name: str, value: str, choices: Collection[str]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, needs one of {', '.join(choices)}")


def need_inputs(inputs: Array) -> None:
    """Raise a ValueError unless inputs are (time, D) or (batch, time, D)."""
    if inputs.ndim not in (2, 3):
        raise ValueError(
            f"inputs has shape {inputs.shape}, needs (time, input_size) or (batch, time, input_size)"
        )


def need_weights(cell: str, weights: Weights, input_size: int, where: str = "") -> None:
    """Raise a ValueError unless the arrays are the weights of one cell with inputs of this size.

    where: goes before their names in the message.
    """
    W, U = weights.W, weights.U
    if W.ndim != 2:
        raise ValueError(f"{where}W has shape {W.shape}, needs (hidden_size, input_size)")
    count = len(CELLS[cell].gates)
    hidden_size, rest = divmod(W.shape[0], count)
    if rest:
        raise ValueError(
            f"{where}W has shape {W.shape}, needs a multiple of {count} rows for the gates of {cell}"
        )
    if input_size == 0 or hidden_size == 0:
        raise ValueError(f"{where}W has shape {W.shape}: input_size and hidden_size must be at least 1")
    rows = "hidden_size" if count == 1 else f"{count}*hidden_size"
    need_shape(f"{where}W", W, (W.shape[0], input_size), f"({rows}, input_size)")
    if weights.projection is None:
        need_shape(f"{where}U", U, (W.shape[0], hidden_size), f"({rows}, hidden_size)")
    else:
        need_projection(cell, weights, hidden_size, where)
    need_peepholes(cell, weights, hidden_size, where)
    for name, bias in zip(("b", "recurrent_b"), weights.biases, strict=True):
        if bias is not None:
            need_shape(f"{where}{name}", bias, (W.shape[0],), f"({rows},)")


def need_peepholes(cell: str, weights: Weights, hidden_size: int, where: str) -> None:
    """Raise a ValueError unless there are peepholes (gates·H,) where the cell has them, and only there."""
    gates = CELLS[cell].peepholes
    if (weights.peepholes is not None) != bool(gates):
        wrong = "missing, and a {} has them" if gates else "given, and a {} has none"
        raise ValueError(f"{where}peepholes is {wrong.format(cell)}")
    if gates:
        size = f"({len(gates)}*hidden_size,)"
        need_shape(f"{where}peepholes", weights.peepholes, (len(gates) * hidden_size,), size)


def need_projection(cell: str, weights: Weights, hidden_size: int, where: str) -> None:
    """Raise a ValueError unless the projection is (P, H) with U (gates·H, P), of a cell that can have one."""
    if not CELLS[cell].projects:
        raise ValueError(f"{where}projection is given, and a {cell} has none")
    projection, rows = weights.projection, len(weights.W)
    if projection.ndim != 2 or projection.shape[0] == 0:
        raise ValueError(f"{where}projection has shape {projection.shape}, needs (output_size, hidden_size)")
    output_size = projection.shape[0]
    need_shape(f"{where}projection", projection, (output_size, hidden_size), "(output_size, hidden_size)")
    need_shape(f"{where}U", weights.U, (rows, output_size), "(4*hidden_size, output_size)")
