"""Causes that are seen by one tensor of a port beside the source's: it is that, but for one change."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside
from rnn_lockstep.reference.oracle.validation import Array

SAME = 2.0**-16  # of the largest magnitude: two tensors that are so near each other are explained
FEWEST = 4  # numbers, or rows, that have to be explained
SHOWN = 8  # features of which a cause tells the order
MOST_FEATURES = 2048  # of which the order is looked for

Function = Callable[[Array], Array]


def softmax(x: Array) -> Array:
    """The softmax over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def normalised(epsilon: float) -> Function:
    """Make the function that gives numbers mean 0 and variance 1 over the last axis."""

    def normalise(x: Array) -> Array:
        variance = x.var(axis=-1, keepdims=True)
        return np.asarray((x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + epsilon))

    return normalise


# What a port may apply, or the source, and the other not.
FUNCTIONS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "softplus": lambda x: np.logaddexp(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "leaky relu (0.01)": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky relu (0.2)": lambda x: np.where(x > 0, x, 0.2 * x),
    "layer normalisation (epsilon 1e-05)": normalised(1e-5),  # torch's
    "layer normalisation (epsilon 0.001)": normalised(1e-3),  # Keras's
    "layer normalisation (epsilon 1e-06)": normalised(1e-6),  # flax's
}
# Those that make the same of different numbers: what is known of their result does not tell what was before.
LOSSY = ("relu", "relu6", "softmax", "log_softmax", *(name for name in FUNCTIONS if "normalisation" in name))


def late(steps: Array) -> Array:
    """The steps one later, the first one zeros."""
    return np.concatenate([np.zeros_like(steps[:, :1]), steps[:, :-1]], axis=1)


# What a tensor (batch, ...) or (batch, time, ...) of a port may be of the source's.
CHANGES: dict[str, Function] = {
    "batch and time are exchanged: batch_first is missing, or is not what the code around it means": (
        lambda s: s.swapaxes(0, 1)
    ),
    "it is in the other order of time": lambda s: s[:, ::-1] if s.ndim == 3 else s,
    "it is one step late": lambda s: late(s) if s.ndim == 3 else s,
    "it is one step early": lambda s: late(s[:, ::-1])[:, ::-1] if s.ndim == 3 else s,
    "its features are in the other order": lambda s: s[..., ::-1],
    "the halves of its features are exchanged": lambda s: np.roll(s, s.shape[-1] // 2, axis=-1),
    "its rows are in the other order": lambda s: s[::-1],
}


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
    if sum(target.size for target, _ in pairs) < FEWEST or any(s.ndim < 2 for _, s in pairs):
        return

    def always(change: Callable[[Array, Array], bool]) -> bool:
        with np.errstate(all="ignore"):
            return all(change(target, source) for target, source in pairs)

    for words, change in CHANGES.items():
        if always(lambda t, s, c=change: is_near(t, c(s))):  # type: ignore[misc]
            yield words
    for name, function in FUNCTIONS.items():
        if always(lambda t, s, f=function: is_near(t, f(s))):  # type: ignore[misc]
            lossy = f"it is {name} of what the source has"
            yield lossy if name in LOSSY else f"the source has nothing, the port applies {name}"
        if always(lambda t, s, f=function: is_near(f(t), s)):  # type: ignore[misc]
            lossy = f"the source has {name} of it: the port applies another function, or none"
            yield lossy if name in LOSSY else f"the source applies {name}, the port does not"
    if all(t.shape == s.shape for t, s in pairs):
        yield from causes_by_feature(*(np.concatenate([of_rows(p[k]) for p in pairs]) for k in (0, 1)))


def of_rows(array: Array) -> Array:
    """A tensor as rows of features (rows, features)."""
    return array.reshape(-1, array.shape[-1])


def causes_by_feature(target: Array, source: Array) -> Iterator[str]:
    """Causes that are the same in every row of features (rows, features)."""
    if is_near(target, source):
        return
    factor = float((target * source).sum()) / (float((source**2).sum()) or 1)
    if is_near(target, factor * source):
        yield f"it is {factor:.6g} times what the source has"
    if len(target) < FEWEST:
        return
    if is_near(target, source + (target - source).mean(axis=0)):
        yield "in every row and step it is off by the same: a bias is missing, or is another"
    elif is_near(target, scaled_and_shifted(target, source)):
        yield "each feature is scaled and shifted by numbers of its own, as a normalisation does"
    order = order_of(target, source)
    if order is not None and is_near(target, source[:, order]):
        some = ", ".join(map(str, order[:SHOWN])) + ", ..." * (len(order) > SHOWN)
        yield f"its features are in another order: the source's {some}"


def scaled_and_shifted(target: Array, source: Array) -> Array:
    """The source's rows as near to the target's as a factor and a shift for each feature bring them."""
    centred = source - source.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    factors = (centred * target).sum(axis=0) / np.where(squares, squares, 1)
    return np.asarray(factors * centred + target.mean(axis=0))


def order_of(target: Array, source: Array) -> Array | None:
    """For each of the target's features the source's that is nearest in a few rows; None if one is twice."""
    if target.shape[1] > MOST_FEATURES:
        return None
    rows = slice(None, None, max(1, len(target) // FEWEST))
    far = np.abs(target[rows, :, None] - source[rows, None, :]).max(axis=0)
    order = far.argmin(axis=1)
    return order if len(set(order.tolist())) == len(order) else None
