"""Modules of `torch.nn` that compute what layers do, loaded with the tensors of a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnn_lockstep.adapters.frameworks.torch_adapter import MODULES
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer


def modules_of(tensors: Mapping[str, Any], layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A module for each layer, loaded with the tensors whose keys begin with the layer's name and a dot.

    Raises RuntimeError, which is torch's, unless each module takes all of its keys and no others.
    """
    return [_module(tensors, layer) for layer in layers]


def _module(tensors: Mapping[str, Any], layer: RecurrentLayer) -> Any:
    import torch

    own: dict[str, Any] = {"nonlinearity": layer.activation} if layer.cell == "simple_rnn" else {}
    if layer.projection_size:
        own["proj_size"] = layer.projection_size
    module = getattr(torch.nn, MODULES[layer.cell])(
        layer.input_size,
        layer.hidden_size,
        num_layers=layer.layers,
        bias=layer.biases > 0,
        bidirectional=layer.merge_mode is not None,
        batch_first=True,
        dtype=getattr(torch, layer.dtype.name),
        **own,
    )
    prefix = f"{layer.name}."
    loaded = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    module.load_state_dict(loaded)
    return module
