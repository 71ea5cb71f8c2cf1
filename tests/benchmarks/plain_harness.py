"""The parity check as a competent engineer would write it in an hour, to measure the suite against.

Arrays drawn element by element, a fresh module or layer for each example, `assert_allclose`.
"""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # inputs, W, U, b
FLOATS = st.floats(-2, 2, width=32)


@st.composite
def drawn_arrays(draw: st.DrawFn) -> Arrays:
    """A batch and the weights of a layer, float32; on average as many steps as in the suite's cases."""
    batch, time, input_size, hidden_size = (draw(st.integers(1, most)) for most in (4, 33, 8, 17))
    shapes = [(batch, time, input_size), (hidden_size, input_size), (hidden_size,) * 2, (hidden_size,)]
    inputs, W, U, b = (
        # By default most elements would share one value, and a transposed U would go unseen.
        draw(hnp.arrays(np.float32, shape, elements=FLOATS, fill=st.nothing()))
        for shape in shapes
    )
    return inputs, W, U, b


def expected(inputs: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The outputs by the notebook's formula, (batch, time, H)."""
    h = np.zeros((len(inputs), len(W)))
    outputs = []
    for t in range(inputs.shape[1]):
        h = np.tanh(inputs[:, t] @ W.T + h @ U.T + b)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def torch_harness() -> Callable[[Arrays], np.ndarray]:
    """Make the run of a fresh torch module: arrays -> outputs."""
    import torch

    def run(arrays: Arrays) -> np.ndarray:
        inputs, W, U, b = map(torch.from_numpy, arrays)
        layer = torch.nn.RNN(inputs.shape[2], len(W), batch_first=True)
        with torch.no_grad():
            layer.weight_ih_l0.copy_(W)
            layer.weight_hh_l0.copy_(U)
            layer.bias_ih_l0.copy_(b)
            layer.bias_hh_l0.zero_()
            return layer(inputs)[0].numpy()

    return run


def keras_harness() -> Callable[[Arrays], np.ndarray]:
    """Make the run of a fresh Keras layer: arrays -> outputs."""
    import keras

    def run(arrays: Arrays) -> np.ndarray:
        inputs, W, U, b = arrays
        layer = keras.layers.SimpleRNN(len(W), return_sequences=True)
        layer.build(inputs.shape)
        layer.set_weights([W.T, U.T, b])
        return np.asarray(layer(inputs))

    return run


def jax_harness() -> Callable[[Arrays], np.ndarray]:
    """Make the run of a jitted JAX scan: arrays -> outputs."""
    import jax
    import jax.numpy as jnp

    @jax.jit
    def layer(inputs, W, U, b):
        def cell(h, x_t):
            h = jnp.tanh(W @ x_t + U @ h + b)
            return h, h

        return jax.vmap(lambda row: jax.lax.scan(cell, jnp.zeros(len(W)), row)[1])(inputs)

    return lambda arrays: np.asarray(layer(*arrays))


HARNESSES = {"torch": torch_harness, "keras": keras_harness, "jax": jax_harness}
