"""JAX: a cell in `jax.lax.scan`, under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from adapters.contract import EVERYTHING, Facts, Refused
from reference import Case, Trace


class JaxAdapter:
    """Compiles the scan, or runs it op by op with the tag `nojit`."""

    def __init__(self, tag: str = "") -> None:
        import jax

        self.jax, self.nojit = jax, tag == "nojit"
        self.facts = Facts(
            f"jax:{tag}" if tag else "jax",
            version=jax.__version__,
            device=jax.devices()[0].platform,
            settings=f"x64 {'on' if jax.config.jax_enable_x64 else 'off, on for float64 cases only'}, "
            f"matmul precision {jax.config.jax_default_matmul_precision or 'default'}",
            tanh_ulps={"float32": 5, "float64": 8},
            sigmoid_ulps={"float32": 3, "float64": 3},
            **EVERYTHING,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, cell: str, options: tuple[Any, ...], reverse: bool, *shapes: Any) -> Any:
        """A jitted layer for one cell and these shapes, so that what is dropped here is freed."""
        jax, jnp = self.jax, self.jax.numpy
        make_step: Any = {"simple_rnn": simple_rnn, "gru": gru, "lstm": lstm}[cell]
        step = make_step(jax, *options)

        def layer(inputs: Any, weights: Any, start: Any, lengths: Any) -> Any:
            def scanned(state: Any, step_input: Any) -> Any:
                t, x_t = step_input
                new = step(x_t, state, *weights)
                if lengths is None:
                    return new, new[0]
                counts = (t < lengths)[:, None]
                state = tuple(jnp.where(counts, n, old) for n, old in zip(new, state, strict=True))
                return state, jnp.where(counts, new[0], 0)

            steps = (jnp.arange(inputs.shape[1]), jnp.swapaxes(inputs, 0, 1))
            final, outputs = jax.lax.scan(scanned, start, steps, reverse=reverse)
            return jnp.swapaxes(outputs, 0, 1), *final

        return jax.jit(layer)

    def run(self, case: Case) -> Trace:
        if self.nojit and case.time == 0:
            raise Refused("zero-length scan is not supported in disable_jit() mode")
        options = {
            "simple_rnn": (case.activation,),
            "gru": (case.recurrent_activation, case.reset_after),
            "lstm": (case.recurrent_activation,),
        }[case.cell]
        missing = (case.b is None, case.recurrent_b is None, case.lengths is None)
        shapes = (case.dtype.name, case.inputs.shape, case.U.shape)
        layer = self.cache(case.cell, options, case.reverse, *shapes, *missing)
        double = self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext()
        slow = self.jax.disable_jit() if self.nojit else nullcontext()
        with double, slow:
            results = layer(case.inputs, tuple(case.weights), case.start, case.lengths)
        return Trace(*(np.array(result) for result in results))


def linear(x: Any, kernel: Any, bias: Any) -> Any:
    return x @ kernel.T if bias is None else x @ kernel.T + bias


def recurrent(jax: Any, name: str) -> Any:
    """A recurrent activation."""
    jnp = jax.numpy
    return {
        "sigmoid": jax.nn.sigmoid,
        "hard_sigmoid": jax.nn.hard_sigmoid,
        "hard_sigmoid_keras2": lambda z: jnp.clip(0.2 * z + 0.5, 0, 1),
    }[name]


def simple_rnn(jax: Any, activation: str) -> Any:
    activate = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[activation]

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        return (activate(linear(x_t, W, b) + linear(state[0], U, recurrent_b)),)

    return step


def gru(jax: Any, recurrent_activation: str, reset_after: bool) -> Any:
    jnp, activate = jax.numpy, recurrent(jax, recurrent_activation)

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        (h,) = state
        x_r, x_z, x_n = jnp.split(linear(x_t, W, b), 3, axis=-1)
        if reset_after:
            h_r, h_z, h_n = jnp.split(linear(h, U, recurrent_b), 3, axis=-1)
            r, z = activate(x_r + h_r), activate(x_z + h_z)
            n = jnp.tanh(x_n + r * h_n)
        else:
            size = h.shape[-1]
            b_rz, b_n = (None, None) if recurrent_b is None else jnp.split(recurrent_b, [2 * size])
            h_r, h_z = jnp.split(linear(h, U[: 2 * size], b_rz), 2, axis=-1)
            r, z = activate(x_r + h_r), activate(x_z + h_z)
            n = jnp.tanh(x_n + linear(r * h, U[2 * size :], b_n))
        return ((1 - z) * n + z * h,)

    return step


def lstm(jax: Any, recurrent_activation: str) -> Any:
    jnp, activate = jax.numpy, recurrent(jax, recurrent_activation)

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(linear(x_t, W, b) + linear(h, U, recurrent_b), 4, axis=-1)
        c = activate(f) * c + activate(i) * jnp.tanh(g)
        return activate(o) * jnp.tanh(c), c

    return step
