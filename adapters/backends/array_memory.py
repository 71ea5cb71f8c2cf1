"""How an array lies in memory, by a word."""

import numpy as np

from rnn_lockstep.reference.oracle.validation import Array

LAYOUTS = ("contiguous", "strided", "fortran")


def with_layout(array: Array, layout: str) -> Array:
    """An equal array that lies in memory in one of LAYOUTS; "strided" is every other number of a row."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7.0, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


def layout_of(array: Array) -> str:
    """Which of LAYOUTS comes nearest: whatever is in neither order is "strided"."""
    if array.flags.c_contiguous:
        return "contiguous"
    return "fortran" if array.flags.f_contiguous else "strided"
