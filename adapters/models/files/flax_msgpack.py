"""Flax's parameters as `flax.serialization.to_bytes` writes them, read and written without flax.

linen: a dictionary a gate, `ii`, `if`, `ig`, `io` with `hi` ... of an LSTM cell; the layer's name is the
way to it, without "params" and the "cell" of an `nn.RNN`.
nnx: `nnx.to_pure_dict(nnx.state(module))`; `if_` for `if`, or `dense_i` and `dense_h` for all gates at once.
`forward_rnn` and `backward_rnn` of a `Bidirectional` are one layer, and so are `layers_0`, `layers_1` ...
of a `Sequential` that has nothing else. Activations and directions are in the program only.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_lockstep.adapters.models.files import flax_modules, reading
from rnn_lockstep.adapters.models.files.flax_cells import Tree, cell_in, dictionaries
from rnn_lockstep.adapters.models.files.flax_tree import packed_tree, tree_of
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.recurrent_layer import (
    InvalidModel,
    RecurrentLayer,
    UnreadLayer,
    read_or_reason,
)
from rnn_lockstep.reference import Weights

DIRECTIONS = ("forward_rnn", "backward_rnn")
SEQUENCES = ("layers_{}", "{}")  # the names in a Sequential, of linen and nnx
WRAPPERS = ("cell", "layers")  # keys that no one chose
UNTOLD = (
    *("activation", "recurrent_activation", "reverse", "merge_mode"),
    *("return_sequences", "outputs_reversed"),
)
Place = tuple[str, ...]  # the keys that lead to a part of a tree


class Found(NamedTuple):
    """Cells of one kind, layer by layer, forward before backward where there are two directions."""

    cell: str
    weights: list[Weights]
    directions: int


def read(path: Path) -> list[RecurrentLayer | UnreadLayer]:
    """The recurrent layers in a file of parameters. Raises InvalidModel."""
    with reading.refusing(path):
        return layers_in(reading.contents(path))


def layers_in(data: bytes) -> list[RecurrentLayer | UnreadLayer]:
    """The recurrent layers in bytes as flax writes them. Raises ValueError where they are none."""
    tree = tree_of(data)
    while isinstance(tree.get("params"), dict):  # beside an optimizer's state, which is alike
        tree = tree["params"]
    found = _all(tree, ())
    names = reading.unique([_name(place) or getattr(layer, "cell", "") for place, layer in found])
    return [read_or_reason(name, _read, name, layer) for name, (_, layer) in zip(names, found, strict=True)]


def _read(name: str, layer: "Found | ValueError") -> RecurrentLayer:
    """The layer of cells. Raises ValueError, where that was found instead."""
    if isinstance(layer, ValueError):
        raise layer
    return reading.layer(
        name,
        layer.weights,
        cell=layer.cell,
        merge_mode="concat" if layer.directions == 2 else None,
        assumed=UNTOLD,
    )


def _name(place: Place) -> str:
    """The name of the layer at a place."""
    return ".".join(place[:-1] if place and place[-1] in WRAPPERS else place)


def _all(tree: Tree, place: Place) -> list[tuple[Place, Found | ValueError]]:
    """The layers in the tree at a place, each with its own place, or the error why it is none."""
    found: Found | ValueError | None
    try:
        found = _stack(tree, place)
    except ValueError:  # of one of its layers, which are looked at one by one
        found = None
    try:
        found = found or _directions(tree, place) or _cell(tree, place)
    except ValueError as error:
        found = error
    if found:
        return [(place, found)]
    return [
        layer
        for key, branch in tree.items()
        if isinstance(branch, dict) and isinstance(key, str)
        for layer in _all(branch, (*place, key))
    ]


def _stack(tree: Tree, place: Place) -> Found | None:
    """Two layers or more of one cell and size on top of each other; None where there is anything else."""
    for pattern in SEQUENCES:
        keys = [pattern.format(k) for k in range(len(tree))]
        if len(keys) > 1 and all(isinstance(tree.get(key), dict) for key in keys):
            layers = [_layer(tree[key], (*place, key)) for key in keys]
            found = [layer for layer in layers if layer]
            sizes = {(f.cell, f.directions, f.weights[0].U.shape) for f in found}
            if len(found) == len(keys) and len(sizes) == 1:
                features = found[0].weights[0].U.shape[1] * found[0].directions
                if all(f.weights[0].W.shape[1] == features for f in found[1:]):
                    return found[0]._replace(weights=[w for f in found for w in f.weights])
    return None


def _layer(tree: Tree, place: Place) -> Found | None:
    """The cells of a cell, of an RNN or of a Bidirectional; None where the tree is none of these."""
    inside = tree.get("cell")
    found = _directions(tree, place) or _cell(tree, place)
    return found or (_cell(inside, (*place, "cell")) if isinstance(inside, dict) else None)


def _directions(tree: Tree, place: Place) -> Found | None:
    """The cells of a Bidirectional; None where the tree is none."""
    branches = [tree.get(key) for key in DIRECTIONS]
    if not all(isinstance(branch, dict) for branch in branches):
        return None
    forward, backward = (_layer(b, (*place, key)) for b, key in zip(branches, DIRECTIONS, strict=True) if b)
    if not forward or not backward:
        return None
    if forward.cell != backward.cell:
        raise ValueError(f"layer {_name(place)}: its directions are a {forward.cell} and a {backward.cell}")
    return Found(forward.cell, [*forward.weights, *backward.weights], 2)


def _cell(tree: Tree, place: Place) -> Found | None:
    """The one cell that a tree is; None where it is none."""
    found = cell_in(tree, ".".join(place) or "the model")
    return Found(found[0], [found[1]], 1) if found else None


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """Parameters of linen, each layer at the parts of its name, as `self.NAME = nn.RNN(cell)` puts it there.

    Raises InvalidModel.
    """
    reading.need_one_each(layers)
    reading.need_no_projection(layers, "flax")
    tree: dict[str, Any] = {}
    for layer in layers:
        for other in layers:
            if other.name.startswith(f"{layer.name}."):
                raise reading.unwritable(other, "flax", f"it would lie in the layer {layer.name}")
        branch = tree
        *place, last = layer.name.split(".")
        for part in place:
            branch = branch.setdefault(part, {})
        branch.setdefault(last, {}).update(_tree_of(layer))
    try:
        return packed_tree({"params": tree})
    except ValueError as error:
        raise InvalidModel(f"the layers cannot be written for flax: {error}") from None


def _tree_of(layer: RecurrentLayer) -> dict[str, Any]:
    """The tree of a layer: a cell in an RNN, two of them in a Bidirectional, several in a Sequential."""
    if layer.cell == "gru" and not layer.reset_after:
        reason = "its GRUCell applies the reset gate after the matrix product, this layer before it"
        raise reading.unwritable(layer, "flax", reason)
    try:
        cells = [{"cell": dictionaries(weights, layer.cell)} for weights in layer.cells]
    except ValueError as error:
        raise reading.unwritable(layer, "flax", error) from None
    pairs = zip(cells[::2], cells[1::2], strict=False)
    rows = cells if layer.directions == 1 else [dict(zip(DIRECTIONS, pair, strict=True)) for pair in pairs]
    return rows[0] if len(rows) == 1 else {f"layers_{k}": row for k, row in enumerate(rows)}


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A function of each layer in a file, from inputs to outputs: its module applied to its parameters."""
    from flax.serialization import msgpack_restore

    parameters = msgpack_restore(path.read_bytes())["params"]
    return [flax_modules.function_of(layer, parameters) for layer in layers]


# A dictionary of few names, as msgpack begins it.
FORMAT = Format(
    (".msgpack",),
    read,
    write,
    begins=re.compile(rb"[\x81-\x8f][\xa1-\xbf]"),
    backend="jax",
    framework="flax",
    load=load,
)
