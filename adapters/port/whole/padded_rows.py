"""Rows that end in padding: whether they are the only wrong ones."""

from collections.abc import Sequence

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside, allowance, apart
from rnn_lockstep.adapters.port.whole.walk import STATES, Walk
from rnn_lockstep.reference.oracle.validation import Array

ONLY_PADDED = "only rows that end in padding are wrong: the padding is not left out as in the source"


def only_padded(walk: Walk, tensors: Sequence[Beside]) -> str:
    """That a tensor is wrong in rows only that end in padding, in words; empty where it is not so.

    tensors: the tensor, by question.
    """
    allowed, wrong, right = allowance(tensors), np.zeros(0, bool), np.zeros(0, bool)
    for example, tensor in zip(walk.examples, tensors, strict=True):
        far = None if example.lengths is None else far_rows(tensor, len(example.lengths), allowed)
        if far is None:
            return ""
        padded = example.lengths < example.arrays[0].shape[1]
        wrong, right = np.append(wrong, padded[far]), np.append(right, padded[~far])
    if not len(wrong) or not wrong.all() or right.all():
        return ""
    return ONLY_PADDED + (f", and {walk.untold} is not told the lengths of rows" if walk.untold else "")


def far_rows(tensor: Beside, rows: int, allowed: float) -> Array | None:
    """Tell of each row (rows,) whether it is further off than is allowed; None where no axis is of rows."""
    axis = 1 if tensor.name in STATES else 0
    if tensor.wrong_shape or tensor.target.shape[axis : axis + 1] != (rows,):
        return None
    expected = tensor.narrow if tensor.wide is None else tensor.wide
    far = apart(tensor.target.astype(np.float64), expected.astype(np.float64)) > allowed
    if tensor.valid is not None:
        far[~tensor.valid] = False
    return np.asarray(np.moveaxis(far, axis, 0).reshape(rows, -1).any(axis=1))
