"""The cells: pure functions, written once and evaluated under every arithmetic.

A cell only uses operators and NumPy ufuncs, so the same lines run on float arrays (the oracle), on
`reference.bound.rounding.Rounded` arrays (the bound), on object arrays and on complex arrays.

Shapes: x_t (..., D), h and c (..., H), W (gates·H, D), U (gates·H, H), both biases (gates·H,) or None.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

# The gates of each cell, in the order of the reference layout (that of torch).
GATES: dict[str, tuple[str, ...]] = {
    "simple_rnn": ("h",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
}


class Weights(NamedTuple):
    """A layer's weights. `b` is added to the input's sum, `recurrent_b` to the state's; None adds nothing."""

    W: Any
    U: Any
    b: Any = None
    recurrent_b: Any = None


def relu(z: Any) -> Any:
    """max(z, 0), elementwise."""
    return np.maximum(z, 0)


def sigmoid(z: Any) -> Any:
    """1 / (1 + exp(-z)), elementwise."""
    if getattr(z, "dtype", np.dtype(float)).kind in "Oc":  # exact and complex numbers
        return 1 / (1 + np.exp(-z))
    return expit(z)


def hard_sigmoid(z: Any) -> Any:
    """Keras 3's: z/6 + 1/2, clipped to [0, 1]."""
    return np.minimum(np.maximum(z / 6 + 0.5, 0), 1)


def hard_sigmoid_keras2(z: Any) -> Any:
    """The one of Keras 2 and ONNX: z/5 + 1/2, clipped to [0, 1]."""
    return np.minimum(np.maximum(z / 5 + 0.5, 0), 1)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": relu}
RECURRENT_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras2": hard_sigmoid_keras2,
}


def input_sum(x_t: Any, weights: Weights) -> Any:
    """W·x_t + b."""
    product = x_t @ weights.W.T
    return product if weights.b is None else product + weights.b


def recurrent_sum(h: Any, weights: Weights) -> Any:
    """U·h + recurrent_b."""
    product = h @ weights.U.T
    return product if weights.recurrent_b is None else product + weights.recurrent_b


def recurrent_rows(weights: Weights, rows: slice) -> Weights:
    """Some rows of U and recurrent_b: the recurrent weights of some of the gates."""
    b = weights.recurrent_b
    return weights._replace(U=weights.U[rows], recurrent_b=None if b is None else b[rows])


def gates(z: Any, count: int) -> list[Any]:
    """The `count` equal parts of the last axis."""
    size = z.shape[-1] // count
    return [z[..., k * size : (k + 1) * size] for k in range(count)]


def simple_rnn(x_t: Any, h: Any, weights: Weights, activation: str = "tanh") -> Any:
    """One step of a simple (Elman) RNN: h' = activation(W·x_t + b + U·h + recurrent_b).

    Source: Elman (1990), "Finding Structure in Time"; the seed notebook's W·x_t + U·h + b.
    """
    return ACTIVATIONS[activation](input_sum(x_t, weights) + recurrent_sum(h, weights))


def gru_gates(
    x_t: Any, h: Any, weights: Weights, recurrent_activation: str = "sigmoid", reset_after: bool = True
) -> list[Any]:
    """r, z and n of a gated recurrent unit; see `gru`."""
    activate = RECURRENT_ACTIVATIONS[recurrent_activation]
    x_r, x_z, x_n = gates(input_sum(x_t, weights), 3)
    if reset_after:
        h_r, h_z, h_n = gates(recurrent_sum(h, weights), 3)
    else:
        rows = weights.U.shape[0] // 3
        h_r, h_z = gates(recurrent_sum(h, recurrent_rows(weights, slice(2 * rows))), 2)
    r, z = activate(x_r + h_r), activate(x_z + h_z)
    if reset_after:
        return [r, z, np.tanh(x_n + r * h_n)]
    return [r, z, np.tanh(x_n + recurrent_sum(r * h, recurrent_rows(weights, slice(2 * rows, None))))]


def gru(
    x_t: Any, h: Any, weights: Weights, recurrent_activation: str = "sigmoid", reset_after: bool = True
) -> Any:
    """One step of a gated recurrent unit, with the update gate z keeping the state.

    r, z = sigmoid(W·x_t + b + U·h + recurrent_b)
    n = tanh(W·x_t + b + r∘(U·h + recurrent_b))    with reset_after: torch, cuDNN, Keras's default
    n = tanh(W·x_t + b + U·(r∘h) + recurrent_b)    without
    h' = (1 - z)∘n + z∘h
    Source: Cho et al. (2014), arXiv:1406.1078, the second form; the first as in cuDNN and torch.nn.GRU.
    """
    _, z, n = gru_gates(x_t, h, weights, recurrent_activation, reset_after)
    return (1 - z) * n + z * h


def lstm_gates(x_t: Any, h: Any, weights: Weights, recurrent_activation: str = "sigmoid") -> list[Any]:
    """i, f, o = sigmoid(W·x_t + b + U·h + recurrent_b) and g = tanh of its own part; returns i, f, g, o."""
    activate = RECURRENT_ACTIVATIONS[recurrent_activation]
    i, f, g, o = gates(input_sum(x_t, weights) + recurrent_sum(h, weights), 4)
    return [activate(i), activate(f), np.tanh(g), activate(o)]


def lstm_cell_state(i: Any, f: Any, g: Any, c: Any) -> Any:
    """c' = f∘c + i∘g."""
    return f * c + i * g


def lstm_output(o: Any, c: Any) -> Any:
    """h' = o∘tanh(c')."""
    return o * np.tanh(c)


def lstm(
    x_t: Any, h: Any, c: Any, weights: Weights, recurrent_activation: str = "sigmoid"
) -> tuple[Any, Any]:
    """One step of a long short-term memory; returns h' and c'.

    Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """
    i, f, g, o = lstm_gates(x_t, h, weights, recurrent_activation)
    c = lstm_cell_state(i, f, g, c)
    return lstm_output(o, c), c
