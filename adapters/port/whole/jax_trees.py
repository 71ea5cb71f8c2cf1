"""The arrays that a callable of JAX has, by their names, and the recurrent layers of Flax among them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files.flax_tree import packed_tree, tree_of
from rnn_lockstep.adapters.models.files.tree_layers import layers_in
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.port.whole.jax_forms import is_a
from rnn_lockstep.reference.oracle.validation import Array

FLOATS = ("float32", "float64")


def trees_of(model: Any) -> list[Any]:
    """The trees of parameters that a callable holds: a module's own, a partial's arguments, a closure's."""
    if is_a(model, "flax.nnx", "Module"):
        from flax import nnx

        return [nnx.to_pure_dict(nnx.state(model, nnx.Param))]
    if is_a(model, "flax.linen", "Module"):
        return [model.variables] if model.scope is not None else []
    if is_a(model, "equinox", "Module"):
        return [model]
    if isinstance(model, partial):
        return [*model.args, *model.keywords.values(), *trees_of(model.func)]
    function = getattr(model, "__wrapped__", model)  # which jax.jit has made another of
    held = list(getattr(function, "__dict__", {}).values())
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # of a cell that is empty
            held.append(cell.cell_contents)
    return [
        tree for tree in held if isinstance(tree, (Mapping, list, tuple)) or is_a(tree, "equinox", "Module")
    ]


def named_arrays(model: Any) -> Iterator[tuple[str, Array]]:
    """The arrays of floats in a callable's trees, and the way to each, with dots."""
    import jax

    for tree in trees_of(model):
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            if str(getattr(leaf, "dtype", "")) in FLOATS:
                yield jax.tree_util.keystr(path, simple=True, separator="."), np.asarray(leaf)


def flax_layers(model: Any) -> list[RecurrentLayer]:
    """The recurrent layers in trees of Flax's, by their names."""
    found = list[RecurrentLayer]()
    for tree in trees_of(model):
        if isinstance(tree, Mapping):
            with suppress(Exception):  # of a tree that is none of Flax's, anything
                layers = layers_in(tree_of(packed_tree(of_arrays(tree))))
                found += [layer for layer in layers if isinstance(layer, RecurrentLayer)]
    return found


def of_arrays(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """A tree as dictionaries of NumPy arrays of floats by text, and of nothing else."""
    branches = {str(key): of_arrays(value) for key, value in tree.items() if isinstance(value, Mapping)}
    arrays = {str(k): np.asarray(v) for k, v in tree.items() if str(getattr(v, "dtype", "")) in FLOATS}
    return {**branches, **arrays}
