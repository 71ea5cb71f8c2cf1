"""Flax: its cells in `nnx.RNN` and `nnx.Bidirectional`, or in those of `flax.linen`, under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Facts, Refused
from rnn_lockstep.adapters.frameworks.jax_adapter import (
    Form,
    activation_function,
    form_of,
    join_states,
    merge_function,
    of_jax,
)
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Trace, Weights

CELLS = {"simple_rnn": "SimpleCell", "gru": "GRUCell", "lstm": "OptimizedLSTMCell"}
GATES = {"gru": "rzn", "lstm": "ifgo"}
FRAMEWORKS = {"nnx": "flax_nnx", "linen": "flax"}  # the layouts of their weights
NOT_IN_FLAX = {
    **{"cells": tuple(CELLS), "reset_after": (True,), "masks": False, "layers": 1},
    **{"projection": False, "gradients": False, "clip": False, "input_forget": False},
}


class FlaxAdapter:
    """Drives one layer of flax.nnx or of flax.linen, as its tag says, jitted for each form and shape."""

    def __init__(self, tag: str) -> None:
        import flax
        import jax

        self.jax, self.tag = jax, tag
        self.facts = Facts(
            f"flax:{tag}",
            version=f"{flax.__version__} (jax {jax.__version__})",
            **of_jax(jax),
            compiles=True,
            # The GRU of nnx has no bias inside the reset product: github.com/google/flax/issues/5594.
            **{**EVERYTHING, **NOT_IN_FLAX, "biases": (0, 1) if tag == "nnx" else (0, 1, 2)},
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, form: Form, dtype: str, hidden_size: int, *shapes: Any) -> Any:
        """Jit a layer of one form and these shapes alone: a function that the cache drops is freed."""
        jax = self.jax
        options: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype}
        options["activation_fn"] = activation_function(jax, form.options.activation)
        if form.cell != "simple_rnn":
            options["gate_fn"] = activation_function(jax, form.options.recurrent_activation)
        layer_of = {"nnx": nnx_layer, "linen": linen_layer}[self.tag]
        layer = layer_of(form, hidden_size, options, merge_function(jax.numpy, form.merge_mode))

        def call(inputs: Any, weights: Any, starts: Any, lengths: Any) -> Any:
            """The outputs and the final states of each direction."""
            carries = [start if len(start) == 1 else start[::-1] for start in starts]  # an LSTM's is (c, h)
            carries = [carry[0] if len(carry) == 1 else carry for carry in carries]
            carry = None if not carries else tuple(carries) if form.merge_mode else carries[0]
            given = {"initial_carry": carry, "seq_lengths": lengths, "return_carry": True}
            finals, outputs = layer([Weights(*w) for w in weights], inputs, given)
            finals = finals if form.merge_mode else [finals]
            return outputs, [final[::-1] if isinstance(final, tuple) else (final,) for final in finals]

        return jax.jit(call)

    def run(self, case: Case) -> Trace:
        """Run the case in flax's own layer; see `Adapter.run`."""
        self.facts.need(case)
        directions = case.passes[0]
        try:
            packed = [pack(d.weights, case.cell, FRAMEWORKS[self.tag]) for d in directions]
        except ValueError as error:
            raise Refused(f"GRUCell: {error}") from None
        starts = [] if case.initial_state is None else [direction.start for direction in directions]
        lengths = None if case.lengths is None else case.lengths.astype(np.int32)
        shapes = (case.dtype.name, case.hidden_size, case.inputs.shape, len(starts), lengths is None)
        missing = tuple(array is None for array in packed[0])
        with self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext():
            call = self.cache(form_of(case), *shapes, *missing)
            outputs, finals = call(case.inputs, [tuple(w) for w in packed], starts, lengths)
            states = join_states(case, finals)
            if not case.return_sequences:
                last = merge_function(np, case.merge_mode)(*(np.array(final[0]) for final in finals))
                return Trace(last, *states)
        # Flax leaves live values on padding, as it says.
        return Trace(np.where(case.valid[..., None], np.array(outputs), case.dtype.type(0)), *states)


def nnx_layer(form: Form, hidden_size: int, options: dict[str, Any], merge: Any) -> Any:
    """Make the call of a layer of flax.nnx: (weights of each direction, inputs, options) -> its answer."""
    from flax import nnx

    zeros = nnx.initializers.zeros_init()  # of weights that are given, for which drawing some takes long

    def layer(weights: list[Weights], inputs: Any, given: dict[str, Any]) -> Any:
        layers = []
        for w, reverse in zip(weights, form.reverse, strict=True):
            rngs = nnx.Rngs(0)
            kernels = {"kernel_init": zeros, "recurrent_kernel_init": zeros}
            cell = getattr(nnx, CELLS[form.cell])(len(w.W), hidden_size, rngs=rngs, **kernels, **options)
            cell.dense_i.kernel[...] = w.W
            cell.dense_h.kernel[...] = w.U
            for dense, bias in ((cell.dense_i, w.b), (cell.dense_h, w.recurrent_b)):
                if bias is not None:
                    dense.bias[...] = bias
            layers.append(nnx.RNN(cell, reverse=reverse, keep_order=True))
        return (nnx.Bidirectional(*layers, merge_fn=merge) if form.merge_mode else layers[0])(inputs, **given)

    return layer


def linen_layer(form: Form, hidden_size: int, options: dict[str, Any], merge: Any) -> Any:
    """Make the call of a layer of flax.linen: (weights of each direction, inputs, options) -> its answer."""
    from flax import linen

    layers = [
        linen.RNN(getattr(linen, CELLS[form.cell])(hidden_size, **options), reverse=reverse, keep_order=True)
        for reverse in form.reverse
    ]
    module = linen.Bidirectional(*layers, merge_fn=merge) if form.merge_mode else layers[0]

    def layer(weights: list[Weights], inputs: Any, given: dict[str, Any]) -> Any:
        cells = [{"cell": linen_parameters(form.cell, hidden_size, w)} for w in weights]
        both = dict(zip(("forward_rnn", "backward_rnn"), cells, strict=False))
        return module.apply({"params": both if form.merge_mode else cells[0]}, inputs, **given)

    return layer


def linen_parameters(cell: str, hidden_size: int, w: Weights) -> dict[str, Any]:
    """The parameters of a cell of flax.linen: a dense layer for each gate and side."""
    from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS

    found = {}
    for side, kernel, bias, with_bias in zip(
        "ih", (w.W, w.U), (w.b, w.recurrent_b), LAYOUTS["flax"].sides[cell], strict=True
    ):
        for k, gate in enumerate(GATES.get(cell, "h")):
            columns = slice(k * hidden_size, (k + 1) * hidden_size)
            dense = {"kernel": kernel[:, columns]}
            if gate in with_bias:
                at = with_bias.index(gate) * hidden_size
                dense["bias"] = kernel[0, columns] * 0 if bias is None else bias[at : at + hidden_size]
            found[side if cell == "simple_rnn" else side + gate] = dense
    return found
