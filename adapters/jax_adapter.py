"""JAX: a cell in `jax.lax.scan`, under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from adapters.contract import Facts, Refused
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
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, activation: str, *shapes: tuple[int, ...]) -> Any:
        """A jitted layer for one activation and these shapes, so that what is dropped here is freed."""
        jax, jnp = self.jax, self.jax.numpy
        activate = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]

        def layer(inputs: Any, W: Any, U: Any, b: Any, h0: Any) -> Any:
            def cell(h: Any, x_t: Any) -> Any:
                h = activate(x_t @ W.T + h @ U.T + b)
                return h, h

            final_state, outputs = jax.lax.scan(cell, h0, jnp.swapaxes(inputs, 0, 1))
            return jnp.swapaxes(outputs, 0, 1), final_state

        return jax.jit(layer)

    def run(self, case: Case) -> Trace:
        if self.nojit and case.time == 0:
            raise Refused("zero-length scan is not supported in disable_jit() mode")
        layer = self.cache(case.activation, case.dtype.name, case.inputs.shape, case.W.shape)
        double = self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext()
        slow = self.jax.disable_jit() if self.nojit else nullcontext()
        with double, slow:
            outputs, final_state = layer(case.inputs, case.W, case.U, case.b, case.h0)
        return Trace(np.array(outputs), np.array(final_state))
