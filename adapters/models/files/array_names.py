"""Layers in arrays that are kept by names of other kinds than the reference's and torch's own.

enc_w_ih, rnn/weight_hh_l0    torch's, shortened or with another sign before them; `bias` and `bias_n` beside
                              them are equinox's
lstm/linear/w                 ways to them in a tree: haiku, flax, Keras's paths
arr_0, arr_1, arr_2           none, as `numpy.savez(path, *layer.get_weights())` leaves them: Keras's order
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files import reading, torch_keys
from rnn_lockstep.adapters.models.files.keras_variables import from_shapes
from rnn_lockstep.adapters.models.files.tree import leaf_of, tree_of_names
from rnn_lockstep.adapters.models.files.tree_layers import NAMED, layers_in
from rnn_lockstep.adapters.models.recurrent_layer import Found, UnreadLayer, read_or_reason
from rnn_lockstep.reference.oracle.validation import Array

SHORT = re.compile(r"(?:(.*?)[./_])?(w|weights?|b|bias)_?(ih|hh|hr)(?:_?l(\d{1,4}))?(_reverse)?", re.S | re.I)
BESIDE = re.compile(r"(?:(.*)[./_])?(bias|bias_n)", re.S)
# The last parts of names in trees: of flax and Keras, haiku, and TensorFlow before 1.2.
ENDS = re.compile(r"(?:.*[/.])?(kernel|recurrent_kernel|bias|w|b|w_i|w_h|weights|biases|value)(:0)?", re.S)
UNNAMED = re.compile(r"arr_(\d{1,6})")
SEVERAL = (
    "may be a SimpleRNN or two dense layers: save them as NAME/kernel, NAME/recurrent_kernel and NAME/bias"
)
Read = Callable[[str], Array | ValueError]


def layers_of(names: Sequence[str], read: Read) -> list[Found]:
    """The layers in arrays of those names. `read` gives an array, or the error why there is none."""
    if names and all(UNNAMED.fullmatch(name) for name in names):
        found = {int(name.removeprefix("arr_")): read(name) for name in names}
        return in_order([found[k] for k in sorted(found)])
    tensors = in_torchs_names(names, read)
    left = [name for name in names if ENDS.fullmatch(name)]
    tree = tree_of_names({name.removesuffix(":0"): leaf_of(read(name)) for name in left}, "/.")
    return [*torch_keys.layers_of(torch_keys.unwrapped(tensors)), *layers_in(tree, "/", NAMED)]


def in_torchs_names(names: Sequence[str], read: Read) -> dict[str, Any]:
    """The arrays by torch's keys: those of shortened names, and equinox's biases beside them."""
    tensors: dict[str, Any] = {}
    for name in names:
        if torch_keys.is_recurrent(name):
            tensors[name] = read(name)
        elif match := SHORT.fullmatch(name):
            prefix, kind, side, number, backward = match.groups()
            word = "weight" if kind.lower().startswith("w") else "bias"
            key = f"{word}_{side.lower()}{f'_l{int(number)}' if number else ''}{(backward or '').lower()}"
            tensors[f"{prefix}.{key}" if prefix else key] = read(name)
    for name in names:
        if match := BESIDE.fullmatch(name):
            prefix = f"{match[1]}." if match[1] else ""
            if f"{prefix}weight_hh" in tensors:
                array = read(name)
                if match[2] == "bias":
                    tensors[f"{prefix}bias_ih"] = array
                else:
                    tensors[f"{prefix}bias_hh"] = inside_reset(array)
    return tensors


def inside_reset(bias: Array | ValueError) -> Array | ValueError:
    """The bias of n alone, which equinox adds inside the reset product, with zeros for r and z."""
    if isinstance(bias, ValueError) or bias.ndim != 1:
        return bias
    return np.concatenate([np.zeros_like(bias), np.zeros_like(bias), bias])


def in_order(arrays: Sequence[Array | ValueError]) -> list[Found]:
    """The recurrent layers among Keras's weights in their order, as far as shapes tell them from others.

    A kernel (D, gates·H) before a recurrent kernel (H, gates·H) of 3 or 4 gates is one; of 1 gate where there
    is a bias and nothing else. Two side by side that have the same shapes and cannot be on top of each other
    are two directions.
    """
    found: list[tuple[str, list[list[Any]]]] = []
    unread: list[Found] = []
    k, end = 0, -1  # where we are, and where the other direction of the last layer would begin
    while k < len(arrays):
        parts = cell_at(arrays, k)
        if not parts:
            k += 1
            continue
        kernel, recurrent = parts[:2]
        cell = reading.cell_of_size(recurrent.shape[1], recurrent.shape[0])
        if cell == "simple_rnn" and len(arrays) != 3:
            told = f"arr_{k} {kernel.shape} and arr_{k + 1} {recurrent.shape} {SEVERAL}"
            unread.append(UnreadLayer(f"arr_{k}", told))
        elif k == end and alike(found[-1][1], parts) and len(kernel) != len(recurrent):
            found[-1][1].append(parts)
        else:
            found.append((str(cell), [parts]))
            end = k + len(parts)
        k += len(parts)
    names = reading.unique([cell for cell, _ in found])
    layers = [
        read_or_reason(name, from_shapes, name, cells, len(cells) == 2)
        for name, (_, cells) in zip(names, found, strict=True)
    ]
    return [*layers, *unread]


def cell_at(arrays: Sequence[Array | ValueError], k: int) -> list[Array]:
    """The kernel, the recurrent kernel and the bias, if there is one, at a place; none of anything else."""
    kernel, recurrent, bias = (arrays[n] if n < len(arrays) else None for n in (k, k + 1, k + 2))
    if not isinstance(kernel, np.ndarray) or not isinstance(recurrent, np.ndarray):
        return []
    if kernel.ndim != 2 or recurrent.ndim != 2 or kernel.shape[1] != recurrent.shape[1]:
        return []
    size, width = recurrent.shape
    if reading.cell_of_size(width, size) is None:
        return []
    biased = isinstance(bias, np.ndarray) and bias.shape in ((width,), (2, width), (2 * width,))
    return [kernel, recurrent, *([bias] if biased and isinstance(bias, np.ndarray) else [])]


def alike(cells: Sequence[Sequence[Array]], parts: Sequence[Array]) -> bool:
    """Tell whether there is one cell, of arrays of the same shapes."""
    return [[array.shape for array in cell] for cell in cells] == [[array.shape for array in parts]]
