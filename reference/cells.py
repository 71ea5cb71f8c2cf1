"""The cells: pure functions, written once and evaluated under every arithmetic.

A cell only uses operators and NumPy ufuncs, so the same line runs on float arrays (the oracle), on
`reference.rounding.Rounded` arrays (the bound), on object arrays and on complex arrays.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def relu(z: Any) -> Any:
    """max(z, 0), elementwise."""
    return np.maximum(z, 0)


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": relu}


def simple_rnn_cell(x_t: Any, h: Any, W: Any, U: Any, b: Any, activation: str = "tanh") -> Any:
    """One step of a simple (Elman) RNN: `activation(x_t @ W.T + h @ U.T + b)`.

    Shapes: x_t (..., D), h (..., H), W (H, D), U (H, H), b (H,); returns the new state (..., H).
    Source: Elman (1990), "Finding Structure in Time"; the seed notebook's W·x_t + U·h + b.
    """
    return ACTIVATIONS[activation](x_t @ W.T + h @ U.T + b)
