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
from typing import Any

from rnn_lockstep.adapters.models.files import flax_modules, reading
from rnn_lockstep.adapters.models.files.flax_cells import dictionaries
from rnn_lockstep.adapters.models.files.flax_tree import packed_tree, tree_of
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.tree_layers import layers_or_names
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer

DIRECTIONS = ("forward_rnn", "backward_rnn")


def read(path: Path) -> list[Found]:
    """The recurrent layers in a file of parameters. Raises InvalidModel."""
    with reading.refusing(path):
        return layers_or_names(tree_of(reading.contents(path)))


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
