"""Weights that torch makes of others when it runs, computed as in evaluation, by the names of their parts.

A state dict then has `weight_hh_l0_g` and `weight_hh_l0_v` (weight norm), `weight_hh_l0_raw` (dropout of U),
`weight_hh_l0_orig` and `weight_hh_l0_mask` (pruning) or `parametrizations.weight_hh_l0.original0`. A
`weight_hh_l0` beside them is what was computed last, perhaps of other numbers, or with some dropped out: it
is never taken, and where it is another, the file contradicts itself.
Sources: `torch.nn.utils`, `weight_norm`, `prune` and `parametrize`; `WeightDrop` of AWD-LSTM and fastai.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.torch_adapter import PARAMETERS
from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.reference.bound.arithmetic import DTYPES, Arithmetic
from rnn_lockstep.reference.oracle.validation import Array

NAME = rf"(?:{'|'.join(PARAMETERS)})(?:_l\d{{1,4}}(?:_reverse)?)?"
BEHIND = re.compile(rf"((?:.*\.)?)({NAME})_(raw|g|v|u|orig|mask)", re.S)
INSIDE = re.compile(rf"((?:.*\.)?)parametrizations\.({NAME})\.(original\d*)", re.S)
ROUNDINGS = 16  # unit roundoffs that a norm, a product and a quotient may be off together
WRAPPED = "module."  # what a wrapper that drops weights out calls the layer inside


def normed(g: Array, v: Array) -> Array:
    """A matrix with the directions of v and the lengths g, of each row, each column or all of it."""
    axes = tuple(k for k in range(v.ndim) if g.ndim != v.ndim or g.shape[k] == 1)
    if np.broadcast_shapes(g.shape, v.shape) != v.shape:
        raise ValueError(f"lengths of shape {g.shape} for directions of shape {v.shape}")
    wide = v.astype(np.float64)
    with np.errstate(all="ignore"):
        length = np.sqrt(np.sum(wide**2, axis=axes, keepdims=True))
        made: Array = (g.astype(np.float64) * wide / length).astype(v.dtype)
    return made


def masked(mask: Array, original: Array) -> Array:
    """A matrix with zeros where the mask has them."""
    if mask.shape != original.shape:
        raise ValueError(f"a mask of shape {mask.shape} for weights of shape {original.shape}")
    return np.where(mask != 0, original, original.dtype.type(0))


# What is made of the parts, by their names in order.
RULES: dict[tuple[str, ...], Callable[..., Array]] = {
    ("raw",): lambda raw: raw,
    ("g", "v"): normed,
    ("original0", "original1"): normed,
    ("mask", "orig"): masked,
}


def same(one: Array, other: Array) -> bool:
    """Tell whether two arrays are the same but for a few roundings."""
    if one.shape != other.shape or not {one.dtype.name, other.dtype.name} <= {*DTYPES}:
        return False
    error = ROUNDINGS * Arithmetic(one.dtype).unit
    return np.allclose(one.astype(np.float64), other.astype(np.float64), error, 0)


def is_part(key: str) -> bool:
    """Tell whether a key is that of something of which a recurrent layer's weights are made."""
    return (BEHIND.fullmatch(key) or INSIDE.fullmatch(key)) is not None


def resolved(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors with the weights that are made of others in place of these.

    In the place of those that cannot be made is a ValueError that names them: where their parts are of no
    known rule or do not fit together, and where other weights of that name are beside them.
    """
    parts: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for key, tensor in tensors.items():
        if not (found := BEHIND.fullmatch(key) or INSIDE.fullmatch(key)):
            whole.setdefault(key, tensor)
            continue
        prefix, name, part = found.groups()
        inside = f"{prefix}{WRAPPED}"
        if part == "raw" and any(other.startswith(f"{inside}weight_") for other in tensors):
            prefix = inside
        parts.setdefault(f"{prefix}{name}", {})[part] = tensor
        whole.setdefault(f"{prefix}{name}", None)  # in its place
    for name, own in parts.items():
        whole[name] = reading.or_error(made, name, own, tensors.get(name))
    return whole


def made(name: str, parts: Mapping[str, Any], beside: Any) -> Array:
    """The weights of that name, made of their parts. Raises ValueError.

    beside: the weights of that name that are there too, if any.
    """
    reading.need_arrays([*parts.values(), beside])
    rule = RULES.get(tuple(sorted(parts)))
    if rule is None:
        known = f"{name} is made of {', '.join(parts)} in a way that is not known"
        raise ValueError(f"{known}: save the weights themselves (torch.nn.utils.parametrize, prune: remove)")
    try:
        whole = rule(*(parts[part] for part in sorted(parts)))
    except ValueError as error:
        raise ValueError(f"{name} cannot be made of {', '.join(parts)}: {error}") from None
    if beside is not None and not same(beside, whole):
        told = f"{name} contradicts its {', '.join(parts)}, as a stale or dropped-out one does"
        raise ValueError(f"{told}: take {name} out of the state dict")
    return whole
