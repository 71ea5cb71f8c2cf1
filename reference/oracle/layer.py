"""The oracle: a cell looped over time, and the merging of two that run in opposite directions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS, Options, State, Weights
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.validation import as_floats, need_inputs, need_shape, need_weights, one_of

READABLE = ("float64", "float32", "float16")  # each converts to float64 without loss

# The outputs of a bidirectional layer from those of its forward and its backward direction.
MERGE_MODES: dict[str, Callable[[Any, Any], Any]] = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
}


def unroll(
    step: Callable[[int, Any, State], State],
    inputs: Any,
    state: State,
    valid: Any = None,
    reverse: bool = False,
) -> tuple[Any, State]:
    """Loop `state = step(t, x_t, state)` over the time axis (the last but one) of `inputs`.

    valid: bools (batch, time), true for steps that count, or None for all. On the others the state stays as
    it is and the outputs are zero, whatever the inputs are.
    reverse: begin at the last step; the outputs stay in the order of the inputs.
    Returns outputs (..., time, H) and the final state, in the arithmetic of the state.
    """
    h = state[0]
    times = range(inputs.shape[-2])
    outputs = np.empty_like(h, shape=(*h.shape[:-1], len(times), h.shape[-1]))
    for t in reversed(times) if reverse else times:
        need_time()
        new = step(t, inputs[..., t, :], state)
        if valid is None:
            state, outputs[..., t, :] = new, new[0]
        else:
            counts = valid[:, t, None]
            state = tuple(np.where(counts, n, old) for n, old in zip(new, state, strict=True))
            outputs[..., t, :] = np.where(counts, state[0], 0)
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
    activation: one of `oracle.activations.ACTIVATIONS`.
    Returns outputs, float64, (time, H) or (batch, time, H); with `return_state=True` also the final
    state, (H,) or (batch, H): the last output, or the initial state when time is 0.
    Raises ValueError, naming the array, on a wrong rank, shape or dtype or a value that is not finite.
    """
    one_of("activation", activation, ACTIVATIONS)
    x, W, U, b = (
        as_floats(name, value, READABLE) for name, value in (("inputs", inputs), ("W", W), ("U", U), ("b", b))
    )
    need_inputs(x)
    need_weights("simple_rnn", Weights(W, U, b), x.shape[-1])
    shape = (*x.shape[:-2], U.shape[1])
    h0 = np.zeros(shape) if initial_state is None else as_floats("initial_state", initial_state, READABLE)
    need_shape("initial_state", h0, shape, "(batch, hidden_size)" if x.ndim == 3 else "(hidden_size,)")
    x, W, U, b, h0 = (array.astype(np.float64) for array in (x, W, U, b, h0))
    cell, weights, options = CELLS["simple_rnn"], Weights(W, U, b), Options(activation)

    def step(t: int, x_t: Any, state: State) -> State:
        return cell.step(x_t, state, weights, options)

    outputs, (final_state,) = unroll(step, x, (h0,))
    return (outputs, final_state) if return_state else outputs
