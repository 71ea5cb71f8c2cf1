"""Modules of `flax.linen` that compute what layers do, applied to the parameters of a file."""

from collections.abc import Callable, Mapping
from typing import Any

from rnn_lockstep.adapters.frameworks import jax_adapter
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.reference.oracle.validation import Array

CLASSES = {"simple_rnn": "SimpleCell", "gru": "GRUCell", "lstm": "LSTMCell"}
# The names of a cell's functions, by those of the options.
FUNCTIONS = {"activation": "activation_fn", "recurrent_activation": "gate_fn"}


def function_of(layer: RecurrentLayer, parameters: Mapping[str, Any]) -> Callable[[Array], Any]:
    """A function from inputs (batch, time, input_size) to outputs, with the layer's own parameters."""
    own: Any = parameters
    for part in layer.name.split("."):
        own = own[part]
    trees = [own] if layer.layers == 1 else [own[f"layers_{k}"] for k in range(layer.layers)]
    module = module_of(layer)

    def run(inputs: Array) -> Any:
        value: Any = inputs
        for tree in trees:
            value = module.apply({"params": tree}, value)
        return value

    run.__name__ = "flax.linen"
    return run


def module_of(layer: RecurrentLayer) -> Any:
    """The module of one of a stack's layers: `nn.RNN`, or `nn.Bidirectional` of two."""
    import jax
    from flax import linen as nn

    own: dict[str, Any] = {"param_dtype": layer.dtype, "dtype": layer.dtype}
    for option in layer.record.options.keys() & FUNCTIONS:
        own[FUNCTIONS[option]] = jax_adapter.activation_function(jax, getattr(layer, option))

    def rnn(**options: Any) -> Any:
        return nn.RNN(getattr(nn, CLASSES[layer.cell])(layer.hidden_size, **own), **options)

    if layer.merge_mode is None:
        return rnn(reverse=layer.reverse, keep_order=layer.reverse and not layer.outputs_reversed)
    return nn.Bidirectional(rnn(), rnn())
