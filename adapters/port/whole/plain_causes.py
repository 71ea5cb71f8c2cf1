"""Causes that are seen by one tensor of a port beside the source's: it is that, but for one change."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside
from rnn_lockstep.reference.oracle.validation import Array

SAME = 2.0**-16  # of the largest magnitude: two tensors that are so near each other are explained
FEWEST = 4  # numbers that have to be explained

Function = Callable[[Array], Array]


def softmax(x: Array) -> Array:
    """The softmax over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


FUNCTIONS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
}


def late(steps: Array) -> Array:
    """The steps one later, the first one zeros."""
    return np.concatenate([np.zeros_like(steps[:, :1]), steps[:, :-1]], axis=1)


def is_near(one: Array, other: Array) -> bool:
    """Tell whether two arrays are the same but for rounding."""
    if one.shape != other.shape:
        return False
    scale = float(np.abs(other).max(initial=0))
    return bool(np.abs(one - other).max(initial=0) <= SAME * scale)


def plain_causes(tensors: Sequence[Beside]) -> Iterator[str]:
    """Causes that are seen by one tensor alone, in all questions: it is the source's, but for one change."""
    pairs = [
        (t.target.astype(np.float64), (t.narrow if t.wide is None else t.wide).astype(np.float64))
        for t in tensors
    ]
    if sum(target.size for target, _ in pairs) < FEWEST:
        return

    def always(change: Callable[[Array, Array], bool]) -> bool:
        return all(change(target, source) for target, source in pairs)

    if always(lambda t, s: t.ndim > 1 and is_near(t.swapaxes(0, 1), s)):
        yield "batch and time are exchanged: batch_first is missing, or is not what the code around it means"
    for name, function in FUNCTIONS.items():
        if always(lambda t, s, f=function: is_near(t, f(s))):  # type: ignore[misc]
            yield f"the source has nothing, the port applies {name}"
        if always(lambda t, s, f=function: is_near(f(t), s)):  # type: ignore[misc]
            yield f"the source applies {name}, the port does not"
    if always(lambda t, s: t.ndim == 3 and is_near(t[:, ::-1], s)):
        yield "it is in the other order of time"
    if always(lambda t, s: t.ndim == 3 and is_near(t, late(s))):
        yield "it is one step late"
    same = [(t, s) for t, s in pairs if t.shape == s.shape]
    if len(same) == len(pairs):
        target, source = (np.concatenate([pair[k].ravel() for pair in same]) for k in (0, 1))
        factor = float(target @ source) / (float(source @ source) or 1)
        if not is_near(target, source) and is_near(target, factor * source):
            yield f"it is {factor:.6g} times what the source has"
