"""The oracle: a cell looped over time, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.cells import simple_rnn_cell
from reference.validation import floats, need_layer

READABLE = ("float64", "float32", "float16")  # each converts to float64 without loss


def unroll(cell: Callable[[Any, Any], Any], inputs: Any, state: Any) -> tuple[Any, Any]:
    """Loop `state = cell(x_t, state)` over the time axis (the last but one) of `inputs`.

    Returns outputs (..., time, H) and the final state (..., H), in the dtype of `state`.
    """
    time = inputs.shape[-2]
    outputs = np.empty((*state.shape[:-1], time, state.shape[-1]), dtype=state.dtype)
    for x_t, output in zip(np.moveaxis(inputs, -2, 0), np.moveaxis(outputs, -2, 0), strict=True):
        state = cell(x_t, state)
        output[...] = state
    return outputs, state


def simple_rnn(
    inputs: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike,
    initial_state: ArrayLike | None = None,
    activation: str = "tanh",
    *,
    return_state: bool = False,
) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a simple RNN, `h = tanh(W·x_t + U·h + b)`, step by step in float64.

    inputs: (time, D), one sequence, or (batch, time, D); float64, float32 or float16, finite.
    W: (H, D).  U: (H, H).  b: (H,).
    initial_state: (H,), or (batch, H) for batched inputs; zeros when omitted.
    activation: "tanh" or "relu".
    Returns outputs, float64, (time, H) or (batch, time, H); with `return_state=True` also the final
    state, (H,) or (batch, H): the last output, or the initial state when time is 0.
    Raises ValueError, naming the array, on a wrong rank, shape or dtype or a value that is not finite.
    """
    x, W, U, b = (
        floats(name, value, READABLE) for name, value in (("inputs", inputs), ("W", W), ("U", U), ("b", b))
    )
    h0 = None if initial_state is None else floats("initial_state", initial_state, READABLE)
    need_layer(x, W, U, b, h0, activation)
    if h0 is None:
        h0 = np.zeros((*x.shape[:-2], W.shape[0]))
    x, W, U, b, h0 = (array.astype(np.float64) for array in (x, W, U, b, h0))

    def cell(x_t: Any, h: Any) -> Any:
        return simple_rnn_cell(x_t, h, W, U, b, activation)

    outputs, final_state = unroll(cell, x, h0)
    return (outputs, final_state) if return_state else outputs
