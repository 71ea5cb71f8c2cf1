"""Layers as the keys that torch gives to their weights in a state dict, and back.

`encoder.rnn.weight_ih_l0_reverse` is W of the first layer of `encoder.rnn`, backward; `RNNCell` and its
likes have no `_l0`. Names tell everything but the sizes, which tell the cell: U has 4, 3 or 1 times as
many rows as columns in an LSTM, GRU or RNN, or as `weight_hr_l0` has columns, the projection of an LSTM
with proj_size. Source: the parameters of `torch.nn.RNNBase`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks import torch_adapter
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.adapters.models.files import reading, torch_derived
from rnn_lockstep.adapters.models.recurrent_layer import Found, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.validation import Array

# The fields of Weights, by the names that torch gives to them.
PARAMETERS = dict(zip(torch_adapter.PARAMETERS, Weights._fields, strict=False))
KEY = re.compile(rf"(?:(.*)\.)?({'|'.join(PARAMETERS)})(?:_l(\d{{1,4}})(_reverse)?)?", re.S)
# Options that state dicts do not tell, beside the nonlinearity of an RNN.
UNTOLD = ("return_sequences",)
Cells = dict[tuple[int, bool], dict[str, Any]]  # by layer and whether it is the backward direction


def is_recurrent(key: Any) -> bool:
    """Tell whether a key is that of a recurrent layer's weights, or of what they are made of."""
    return isinstance(key, str) and (KEY.fullmatch(key) is not None or torch_derived.is_part(key))


def unwrapped(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors by the keys that they have without what wraps the outermost module, or is of torch.compile.

    The first is DataParallel, its likes, or AveragedModel, which has a number beside the module.
    """
    dotted = [key for key in tensors if "." in key]
    wrapped = bool(dotted) and all(key.startswith("module.") for key in dotted)
    return {plain_name(key.removeprefix("module.") if wrapped else key): t for key, t in tensors.items()}


def layers_or_names(tensors: Mapping[str, Any]) -> list[Found]:
    """The layers, of which there must be one. Raises ValueError, listing what there is."""
    return reading.need_layers(layers_of(tensors), tensors)


def layers_of(tensors: Mapping[str, Any]) -> list[Found]:
    """The layers in a state dict of arrays, in its order; other keys are left alone.

    tensors: an array may be the error why it cannot be read, which is then the layer's.
    """
    modules: dict[str, Cells] = {}
    for key, tensor in torch_derived.resolved(tensors).items():
        if found := KEY.fullmatch(key):
            prefix, parameter, number, reverse = found.groups()
            cells = modules.setdefault(prefix or "", {})
            cells.setdefault((int(number or 0), reverse is not None), {})[parameter] = tensor
    return [
        read_or_reason(name or "the module", _layer, plain_name(name), cells, beside(name, tensors))
        for name, cells in modules.items()
    ]


def beside(name: str, tensors: Mapping[str, Any]) -> str:
    """The key of a bias beside a cell's weight_hh, as no cell of torch has one; empty where there is none."""
    prefix = f"{name}." if name else ""
    return f"{prefix}bias" if {f"{prefix}bias", f"{prefix}weight_hh"} <= tensors.keys() else ""


def plain_name(name: str) -> str:
    """A name without what torch.compile puts into it; empty for the outermost module."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _layer(name: str, cells: Cells, beside: str) -> RecurrentLayer:
    where = name or "the module"
    if beside:
        raise ValueError(
            f"{beside} is beside weight_hh, as in no cell of torch: what it computes is not told"
        )
    directions = 2 if any(reverse for _, reverse in cells) else 1
    expected = [(k, bool(d)) for k in range(len(cells) // directions) for d in range(directions)]
    if sorted(cells) != expected:
        raise ValueError(f"layer {where} lacks the weights of a layer or direction between others")
    weights = [_weights(where, cells[place]) for place in expected]
    cell = reading.cell_of(weights[0])
    if cell is None:
        shape = weights[0].U.shape
        raise ValueError(f"layer {where}: weight_hh has shape {shape}, that of no RNN, GRU or LSTM")
    return reading.layer(
        name or cell,
        [reading.unpacked(w, cell, "torch", f"layer {where}: ") for w in weights],
        cell=cell,
        merge_mode="concat" if directions == 2 else None,
        assumed=("activation", *UNTOLD) if cell == "simple_rnn" else UNTOLD,
    )


def _weights(where: str, parameters: dict[str, Any]) -> Weights:
    """The weights of one cell, in torch's layout."""
    for name in ("weight_ih", "weight_hh"):
        if name not in parameters:
            raise ValueError(f"layer {where} has no {name} beside {', '.join(parameters)}")
    reading.need_arrays(parameters.values())
    return Weights(**{field: parameters.get(name) for name, field in PARAMETERS.items()})


def state_dict(layers: Sequence[RecurrentLayer]) -> dict[str, Array]:
    """The weights of layers by torch's keys, in its order. Raises InvalidModel for what it has not."""
    reading.need_one_each(layers)
    tensors = {}
    for layer in layers:
        if reason := refusal(layer):
            raise reading.unwritable(layer, "torch", reason)
        for k, weights in enumerate(layer.cells):
            number, backward = divmod(k, layer.directions)
            packed = pack(weights, layer.cell, "torch")
            for parameter, field in PARAMETERS.items():
                if (array := getattr(packed, field)) is not None:
                    key = f"{layer.name}.{parameter}_l{number}{'_reverse' * backward}"
                    tensors[key] = np.ascontiguousarray(array)
    return tensors


def refusal(layer: RecurrentLayer) -> str:
    """The reason why no module of torch computes what a layer does; empty where one does."""
    if layer.reverse:
        return "it runs backward only, and torch.nn has no such layer"
    if layer.merge_mode not in (None, "concat"):
        return f"its merge_mode is {layer.merge_mode}, and torch.nn's layers concatenate their directions"
    return torch_adapter.refusal(layer.case(np.zeros((1, 1, layer.input_size), layer.dtype)))
