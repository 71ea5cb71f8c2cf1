"""The recurrent layers in a tree of arrays, of any framework that keeps a cell's in one dictionary.

A layer's name is the way to it. The two directions of one layer, such as `forward_rnn` and `backward_rnn`,
are one, and so are layers on top of each other that have numbers and nothing else beside them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rnn_lockstep.adapters.models.files import flax_cells, haiku_cells, reading, tensorflow_cells
from rnn_lockstep.adapters.models.files.cell import Cell
from rnn_lockstep.adapters.models.files.tree import Tree, shapes_in, with_keys_apart
from rnn_lockstep.adapters.models.recurrent_layer import Found, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Weights

# Each finds the cell that a dictionary is, by the names in it and by its own.
KINDS = (flax_cells.cell_in, haiku_cells.cell_in, tensorflow_cells.cell_in)
# The names of both directions: of flax, Keras's Bidirectional, and TensorFlow 1.
FORWARD = re.compile(r"forward_(.*)|fw(.*)", re.S)
BACKWARD = ("backward_{}", "bw{}")
# The names in a sequence: of flax's linen and nnx, and TensorFlow 1.
SEQUENCES = ("layers_{}", "{}", "cell_{}")
# Names of a cell in its layer, which no one chose: of JAX's libraries, and of Keras and TensorFlow 1.
PLAIN = re.compile("cell|layers")
NAMED = re.compile(
    r"(cell|layers|(multi_|stacked_|basic_|simple_)?(rnn|lstm|gru)(_block|_fused)?_cells?)(_\d+)?"
)
OPTIMIZER = "opt_state"  # of a flax TrainState, which has arrays like the parameters
UNTOLD = ("reverse", "merge_mode", "return_sequences", "outputs_reversed")
Place = tuple[str, ...]  # the keys that lead to a part of a tree


class Cells(NamedTuple):
    """Cells of one kind, layer by layer, forward before backward where there are two directions."""

    first: Cell
    weights: list[Weights]
    directions: int

    @property
    def cell(self) -> str:
        """The kind of the cells."""
        return self.first.cell


def layers_in(tree: Tree, separator: str = ".", unchosen: re.Pattern[str] = PLAIN) -> list[Found]:
    """The layers in a tree, named by the keys that lead to them.

    unchosen: the names at their ends that are left out, where the layers still have different ones.
    """
    while isinstance(tree.get("params"), dict):  # flax's, beside an optimizer's state, which is alike
        tree = tree["params"]
    found = [*_all(tree, ())]
    short = [_chosen(place, unchosen) for place, _ in found]
    places = [
        each if short.count(each) == 1 else place for each, (place, _) in zip(short, found, strict=True)
    ]
    named = zip(places, found, strict=True)
    names = reading.unique([separator.join(place) or getattr(each, "cell", "") for place, (_, each) in named])
    pairs = zip(names, found, strict=True)
    return [read_or_reason(name, _read, name, layer) for name, (_, layer) in pairs]


def layers_or_names(tree: Tree) -> list[Found]:
    """The layers in a tree, of which there must be one. Raises ValueError, listing what there is."""
    tree = with_keys_apart(tree)
    return layers_in(tree) or reading.need_layers([], shapes_in(tree))


def _read(name: str, layer: Cells | ValueError) -> RecurrentLayer:
    """The layer of cells. Raises ValueError, where that was found instead."""
    if isinstance(layer, ValueError):
        raise layer
    return reading.layer(
        name,
        layer.weights,
        cell=layer.cell,
        merge_mode="concat" if layer.directions == 2 else None,
        assumed=(*layer.first.assumed, *UNTOLD),
        **layer.first.options,
    )


def _chosen(place: Place, unchosen: re.Pattern[str]) -> Place:
    """The keys that lead to a layer, without those at the end that no one chose."""
    while place and unchosen.fullmatch(place[-1]):
        place = place[:-1]
    return place


def _all(tree: Tree, place: Place) -> Iterator[tuple[Place, Cells | ValueError]]:
    """The layers in the tree at a place, each with its own place, or the error why it is none."""
    found: Cells | ValueError | None
    try:
        found = _stack(tree, place)
    except ValueError:  # of one of its layers, which are looked at one by one
        found = None
    try:
        found = found or _directions(tree, place) or _cell(tree, place)
    except ValueError as error:
        found = error
    if found:
        yield place, found
        return
    for key, branch in tree.items():
        if isinstance(branch, dict) and isinstance(key, str) and key != OPTIMIZER:
            yield from _all(branch, (*place, key))


def _stack(tree: Tree, place: Place) -> Cells | None:
    """Two layers or more of one cell and size on top of each other; None where there is anything else."""
    for pattern in SEQUENCES:
        keys = [pattern.format(k) for k in range(len(tree))]
        if len(keys) > 1 and all(isinstance(tree.get(key), dict) for key in keys):
            layers = [_layer(tree[key], (*place, key)) for key in keys]
            found = [layer for layer in layers if layer]
            alike = {(f.cell, *f.first.options.items(), f.directions, f.weights[0].U.shape) for f in found}
            if len(found) == len(keys) and len(alike) == 1:
                features = found[0].weights[0].U.shape[1] * found[0].directions
                if all(f.weights[0].W.shape[1] == features for f in found[1:]):
                    return found[0]._replace(weights=[w for f in found for w in f.weights])
    return None


def _layer(tree: Tree, place: Place) -> Cells | None:
    """The cells of a cell, of a layer around one or of two directions; None where it is none."""
    if found := _directions(tree, place) or _cell(tree, place):
        return found
    inside = [key for key, branch in tree.items() if isinstance(branch, dict) and NAMED.fullmatch(str(key))]
    return _cell(tree[inside[0]], (*place, inside[0])) if len(inside) == 1 else None


def _directions(tree: Tree, place: Place) -> Cells | None:
    """The cells of a layer of two directions; None where the tree is none."""
    for key in tree:
        if not (match := FORWARD.fullmatch(str(key))):
            continue
        names = zip(BACKWARD, match.groups(), strict=True)
        both = key, next(name.format(rest) for name, rest in names if rest is not None)
        if not all(isinstance(tree.get(name), dict) for name in both):
            continue
        forward, backward = (_layer(tree[name], (*place, name)) for name in both)
        if forward and backward:
            kinds = [(cells.cell, cells.first.options) for cells in (forward, backward)]
            if kinds[0] != kinds[1]:
                told = f"its directions are a {forward.cell} and a {backward.cell}"
                raise ValueError(f"layer {'.'.join(place)}: {told}, or differ in options")
            return Cells(forward.first, [*forward.weights, *backward.weights], 2)
    return None


def _cell(tree: Tree, place: Place) -> Cells | None:
    """The one cell that a tree is; None where it is none."""
    where = ".".join(place) or "the model"
    for cell_in in KINDS:
        if found := cell_in(tree, where):
            return Cells(found, [found.weights], 1)
    return None
