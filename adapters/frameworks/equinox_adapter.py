"""Equinox: `equinox.nn.GRUCell` and `LSTMCell`, one row at a time, in `jax.lax.scan` under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.jax_adapter import ERRORS
from rnn_lockstep.reference import Case, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import DTYPES

CELLS = {"gru": "GRUCell", "lstm": "LSTMCell"}


class EquinoxAdapter:
    """Drives a cell of Equinox under `vmap`, as its documentation has it, for each form and shape."""

    def __init__(self) -> None:
        import equinox
        import jax

        self.jax, self.equinox = jax, equinox
        self.facts = Facts(
            "equinox",
            version=f"{equinox.__version__} (jax {jax.__version__})",
            device=jax.devices()[0].platform,
            settings="x64 on for float64 cases only",
            dtypes=DTYPES,
            cells=tuple(CELLS),
            reset_after=(True,),
            biases=(0, 1, 2),
            compiles=True,
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, cell: str, biases: bool, *shapes: Any) -> Any:
        """Jit the scan of one kind of cell and these shapes alone: what the cache drops is freed."""
        jax, equinox = self.jax, self.equinox

        def call(inputs: Any, weights: dict[str, Any], start: Any) -> Any:
            """The outputs and the final state, (h,) or (h, c)."""
            sizes = (inputs.shape[-1], weights["weight_hh"].shape[-1])
            made = getattr(equinox.nn, CELLS[cell])(
                *sizes, use_bias=biases, dtype=inputs.dtype, key=jax.random.key(0)
            )
            names = list(weights)
            loaded = equinox.tree_at(
                lambda tree: [getattr(tree, name) for name in names], made, list(weights.values())
            )
            step = jax.vmap(loaded)

            def scanned(state: Any, x_t: Any) -> Any:
                new = step(x_t, state)
                return new, new[0] if cell == "lstm" else new

            state = tuple(start) if cell == "lstm" else start[0]
            final, outputs = jax.lax.scan(scanned, state, inputs.swapaxes(0, 1))
            return outputs.swapaxes(0, 1), final if cell == "lstm" else (final,)

        return jax.jit(call)

    def run(self, case: Case) -> Trace:
        """Run the case's cell step by step; see `Adapter.run`."""
        self.facts.need(case)
        weights = arrays_of(case.weights, case)
        shapes = (case.dtype.name, case.inputs.shape, case.hidden_size)
        with self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext():
            outputs, states = self.cache(case.cell, "bias" in weights, *shapes)(
                case.inputs, weights, case.start
            )
            return Trace(np.array(outputs), *map(np.array, states))


def arrays_of(weights: Weights, case: Case) -> dict[str, Any]:
    """The arrays of Equinox's cell by their names there. Its order of gates is the reference's.

    A GRU has a bias of all gates beside the input's sum, and one of the candidate inside the reset product.
    Raises Refused.
    """
    options = (case.activation, case.recurrent_activation, case.reset_after)
    if options != ("tanh", "sigmoid", True):
        raise Refused(f"equinox.nn.{CELLS[case.cell]} has no {case.kind}")
    found = {"weight_ih": weights.W, "weight_hh": weights.U}
    if weights.b is None and weights.recurrent_b is None:
        return found
    b, recurrent_b = (np.zeros_like(weights.W[:, 0]) if x is None else x for x in weights.biases)
    if case.cell == "lstm":
        return {**found, "bias": b + recurrent_b}
    gates = 2 * case.hidden_size
    inside = np.concatenate([b[:gates] + recurrent_b[:gates], b[gates:]])
    return {**found, "bias": inside, "bias_n": recurrent_b[gates:]}
