"""Haiku: `haiku.GRU` in `haiku.dynamic_unroll`, under `jit`.

`haiku.LSTM` adds 1 to the sum of its forget gate, which no bias that is given to it makes undone exactly,
and `haiku.VanillaRNN` has relu alone: these are checked in whole models, and are no backend.
"""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.jax_adapter import ERRORS
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.cells import GATES


class HaikuAdapter:
    """Drives a GRU of Haiku, transformed and jitted for each form and shape."""

    def __init__(self) -> None:
        import haiku
        import jax

        self.jax, self.haiku = jax, haiku
        self.facts = Facts(
            "haiku",
            version=f"{haiku.__version__} (jax {jax.__version__})",
            device=jax.devices()[0].platform,
            settings="x64 on for float64 cases only",
            dtypes=DTYPES,
            cells=("gru",),
            reset_after=(False,),
            biases=(0, 1, 2),
            reverse=True,
            compiles=True,
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, hidden_size: int, reverse: bool, *shapes: Any) -> Any:
        """Jit a layer for these shapes alone: a function that the cache drops is freed."""
        haiku = self.haiku

        def layer(inputs: Any, start: Any) -> Any:
            core = haiku.GRU(hidden_size, name="core")
            return haiku.dynamic_unroll(core, inputs, start, time_major=False, reverse=reverse)

        apply = haiku.without_apply_rng(haiku.transform(layer)).apply
        return self.jax.jit(apply)

    def run(self, case: Case) -> Trace:
        """Run the case in Haiku's own layer; see `Adapter.run`."""
        self.facts.need(case)
        parameters = parameters_of(case)
        shapes = (case.dtype.name, case.inputs.shape)
        with self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext():
            layer = self.cache(case.hidden_size, case.reverse, *shapes)
            outputs, state = layer(parameters, case.inputs, case.h0)
            return Trace(np.array(outputs), np.array(state))


def parameters_of(case: Case) -> dict[str, Any]:
    """The parameters of the case's layer by module. Raises Refused.

    The z of Haiku's GRU is 1 - z, and 1 - sigmoid(x) is sigmoid(-x), so that part changes its sign.
    """
    if (case.activation, case.recurrent_activation) != ("tanh", "sigmoid"):
        raise Refused(f"haiku.GRU has tanh and sigmoid alone, and is no {case.kind}")
    signs = np.repeat([-1 if gate == "z" else 1 for gate in GATES["gru"]], case.hidden_size)
    turned = (None if a is None else (a.T * signs.astype(a.dtype)).T for a in case.weights)
    packed = pack(Weights(*turned), "gru", "haiku")
    b = np.zeros_like(packed.W[0]) if packed.b is None else packed.b
    return {"core": {"w_i": packed.W, "w_h": packed.U, "b": b}}
