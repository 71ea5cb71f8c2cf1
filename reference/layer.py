"""The oracle: a cell looped over time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference import cells
from reference.cells import ACTIVATIONS, Weights
from reference.validation import floats, need_layer, one_of

READABLE = ("float64", "float32", "float16")  # each converts to float64 without loss
State = tuple[Any, ...]  # (h,), or (h, c) for an LSTM


def unroll(
    step: Callable[[Any, State], State],
    inputs: Any,
    state: State,
    lengths: Any = None,
    reverse: bool = False,
) -> tuple[Any, State]:
    """Loop `state = step(x_t, state)` over the time axis (the last but one) of `inputs`.

    lengths: (batch,), how many steps of each row count, or None for all of them. After a row's last
    step its state stays as it is and its outputs are zero, whatever its inputs are.
    reverse: begin at the last step; the outputs stay in the order of the inputs.
    Returns outputs (..., time, H), in the dtype of the state, and the final state.
    """
    h = state[0]
    outputs = np.empty((*h.shape[:-1], inputs.shape[-2], h.shape[-1]), dtype=h.dtype)
    steps = list(enumerate(zip(np.moveaxis(inputs, -2, 0), np.moveaxis(outputs, -2, 0), strict=True)))
    for t, (x_t, output) in reversed(steps) if reverse else steps:
        new = step(x_t, state)
        if lengths is None:
            state, output[...] = new, new[0]
        else:
            counts = (t < lengths)[:, None]
            state = tuple(np.where(counts, n, old) for n, old in zip(new, state, strict=True))
            output[...] = np.where(counts, state[0], 0)
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
    one_of("activation", activation, ACTIVATIONS)
    x, W, U, b = (
        floats(name, value, READABLE) for name, value in (("inputs", inputs), ("W", W), ("U", U), ("b", b))
    )
    h0 = None if initial_state is None else floats("initial_state", initial_state, READABLE)
    need_layer("simple_rnn", x, Weights(W, U, b), {"initial_state": h0})
    if h0 is None:
        h0 = np.zeros((*x.shape[:-2], W.shape[0]))
    x, W, U, b, h0 = (array.astype(np.float64) for array in (x, W, U, b, h0))
    weights = Weights(W, U, b)

    def step(x_t: Any, state: State) -> State:
        return (cells.simple_rnn(x_t, state[0], weights, activation),)

    outputs, (final_state,) = unroll(step, x, (h0,))
    return (outputs, final_state) if return_state else outputs
