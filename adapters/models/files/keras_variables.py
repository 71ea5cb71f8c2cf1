"""Weights at the paths of Keras 3's variables, as in `.weights.h5` and inside `.keras`.

A cell's are at its path, `layers/lstm/cell/vars/0` and so on: kernel, recurrent kernel, bias. The groups
are named by class (`lstm`, `lstm_1`), not by the layers' own names, which newer files have as attributes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.models.files.hdf5 import Contents
from rnn_lockstep.adapters.models.files.keras_config import Classes, Config, LayerConfig, layer_of
from rnn_lockstep.adapters.models.recurrent_layer import (
    Found,
    InvalidModel,
    RecurrentLayer,
    UnreadLayer,
    read_or_reason,
)
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.validation import Array

CELL = re.compile(r"(?P<layer>.+?)(/(?P<direction>forward|backward)_layer)?/cell(/cells/[^/]+?(_\d+)?)?")
UNKNOWN = (
    "recurrent weights at {} belong to class {}, which does not tell what it computes; "
    "save the weights alone, as NAME.weights.h5, to have that assumed"
)
OLD = "_layer_checkpoint_dependencies"  # instead of "layers", in some files of Keras 2.13


def variables(file: Contents) -> dict[str, list[Array]]:
    """The arrays of each group of variables by its path, in order."""
    numbered: dict[str, dict[int, Array]] = {}
    for name, array in file.arrays.items():
        path, _, number = name.rpartition("/")
        if path.endswith("/vars") and number.isdecimal() and len(number) < 9:
            path = "/".join("layers" if part == OLD else part for part in path.split("/")[:-1])
            numbered.setdefault(path, {})[int(number)] = array
    return {path: [arrays[k] for k in sorted(arrays)] for path, arrays in numbered.items()}


def with_weights(found: Iterable[LayerConfig | UnreadLayer], file: Contents, classes: Classes) -> list[Found]:
    """The layers of a configuration, with their weights.

    classes: the class and name of all layers by path, to name one that is recurrent and not known.
    """
    left = variables(file)
    layers: list[Found] = []
    for one in found:
        own = [] if isinstance(one, UnreadLayer) else [left.pop(place.path, None) for place in one.cells]
        layers.append(
            one if isinstance(one, UnreadLayer) else read_or_reason(one.name, _with_weights, one, own)
        )
    told = {layer.name for layer in layers}
    for path in left:
        if "cell" in path.split("/"):
            around = [own for own in classes if own == "" or f"{path}/".startswith(f"{own}/")]
            kind, name = classes[max(around, key=len)] if around else ("none", "")
            if (name := name or path) not in told:
                layers.append(UnreadLayer(name, UNKNOWN.format(path, kind)))
    return layers


def _with_weights(one: LayerConfig, arrays: Sequence[list[Array] | None]) -> RecurrentLayer:
    """The layer with the weights of each cell. Raises InvalidModel where there are none."""
    for place, own in zip(one.cells, arrays, strict=True):
        if own is None:
            raise InvalidModel(f"layer {one.name} has no weights at {place.path}")
    return one.with_weights([own for own in arrays if own is not None])


def by_shapes(file: Contents) -> list[Found]:
    """The recurrent layers of a file without a configuration: what it does not tell is assumed."""
    cells: dict[str, dict[str, list[Array]]] = {}
    for path, arrays in variables(file).items():
        if match := CELL.fullmatch(path):
            cells.setdefault(match["layer"], {})[path] = arrays
    names = {path: name_at(file, path) for path in cells}
    if len(set(names.values())) < len(names):
        names = {path: path for path in cells}
    layers: list[Found] = []
    for path, own in sorted(cells.items(), key=lambda item: numbered(item[0])):
        forward_first = sorted(own, key=lambda place: ("/backward_layer/" in place, numbered(place)))
        both = [f"{path}/{word}_layer/cell" for word in ("forward", "backward")]
        given = names[path], [own[place] for place in forward_first], forward_first == both
        layers.append(read_or_reason(names[path], from_shapes, *given))
    return layers


def name_at(file: Contents, path: str) -> str:
    """The name of the layer at a path, after those of the layers around it, as far as the file tells them."""
    parts = path.split("/")
    ways = ["/".join(parts[: k + 1]) for k in range(len(parts)) if parts[k] not in ("layers", OLD)]
    return "/".join(file.text(f"{way}/vars", "name") or way.rpartition("/")[2] for way in ways)


def numbered(path: str) -> list[tuple[str, int]]:
    """The parts of a path and their numbers, to sort by: lstm_2 is before lstm_10."""
    parts = (re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", part, re.DOTALL) for part in path.split("/"))
    return [(match[1], int(match[2] or 0)) for match in parts if match]


def from_shapes(
    name: str,
    cells: Sequence[Sequence[Array]],
    bidirectional: bool,
    usual: Mapping[str, Any] | None = None,
) -> RecurrentLayer:
    """A layer of which only the weights are known. Raises InvalidModel when they are no known cell's.

    usual: the values that options had by default in the version that wrote the file, where not today's.
    """
    kernel, *others = cells[0]
    if kernel.ndim != 2 or len(others) not in (1, 2) or others[0].ndim != 2 or not others[0].shape[0]:
        raise InvalidModel(f"layer {name} has other weights than a kernel, a recurrent kernel and a bias")
    units, width = others[0].shape
    cell = reading.cell_of_size(width, units)
    if cell is None or kernel.shape[1] != width:
        shapes = f"{kernel.shape} and {others[0].shape}"
        raise InvalidModel(f"layer {name} has weights of shape {shapes}, which no known cell has")
    options: Config = {"cell": cell}
    own = CELLS[cell].options
    bias = others[1].shape if len(others) == 2 else None
    guessed = ["return_sequences", *own]
    cudnn = bias == (2 * width,)
    if usual and not cudnn:
        options |= {option: usual[option] for option in own if option in usual}
    if "reset_after" in own:
        options["reset_after"] = bias != (width,)
        if bias is not None:
            guessed.remove("reset_after")
    if bidirectional:
        options["merge_mode"] = "concat"
        guessed.append("merge_mode")
    elif len(cells) == 1:
        guessed += ["reverse", "outputs_reversed"]
    options["assumed"] = tuple(guessed)
    all_alike = all([a.shape for a in arrays[1:]] == [a.shape for a in others] for arrays in cells)
    if not all_alike or any(k.ndim != 2 or k.shape[1] != width for k, *_ in cells):
        raise InvalidModel(f"layer {name} has cells of several kinds or sizes, which is not checked")
    if bias not in (None, (width,), (2 * width,), *([(2, width)] if "reset_after" in own else [])):
        raise InvalidModel(f"layer {name} has a bias of shape {bias}, which no known cell has")
    return layer_of(name, cells, options, cudnn)
