"""The memory layout of an array, by a word."""

import numpy as np

from rnn_lockstep.reference.oracle.validation import Array

LAYOUTS = ("contiguous", "strided", "fortran")


def with_layout(array: Array, layout: str) -> Array:
    """Lay an array out in memory in one of LAYOUTS; "strided" is every other number of a longer row."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7.0, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


def layout_of(array: Array) -> str:
    """The nearest of LAYOUTS: an array that is neither in C's nor in Fortran's order is "strided"."""
    if array.flags.c_contiguous:
        return "contiguous"
    return "fortran" if array.flags.f_contiguous else "strided"
