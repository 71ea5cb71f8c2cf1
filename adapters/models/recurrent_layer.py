"""Recurrent layers of models: weights and all else that decides the answer, from whatever file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.cells import CELLS, GATES, Cell
from rnn_lockstep.reference.oracle.validation import Array

OPTIONS = (
    *("cell", "activation", "recurrent_activation", "reset_after"),
    *("reverse", "merge_mode", "return_sequences"),
)


class InvalidModel(ValueError):
    """A file or object is no model that can be read or written. The message is one line: which, and why."""


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One recurrent layer of a model, or a stack of them that is one object, as `torch.nn.LSTM` can be.

    name: as the model has it.
    cells: the weights of each layer and direction in the reference layout, in torch's order: layer by
    layer, forward before backward. NumPy arrays of one dtype; all cells have the same biases, and a
    projection or none.
    cell ... return_sequences: as in `reference.Case`.
    outputs_reversed: whether a reverse layer's outputs are in the order of its steps, the last input
    first, as Keras's go_backwards and flax's reverse leave them.
    forget_bias: what a program adds to an LSTM's forget gate at run time, which is in recurrent_b; None
    where the weights are all that there is.
    stateful: whether it keeps its state from call to call, as Keras's stateful layers do.
    assumed: the fields that the file does not tell, so that they have the usual values.
    Raises ValueError when they do not fit together.
    """

    name: str
    cells: tuple[Weights, ...]
    cell: str
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    reverse: bool = False
    merge_mode: str | None = None
    return_sequences: bool = True
    outputs_reversed: bool = False
    forget_bias: float | None = None
    stateful: bool = False
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.cells:
            raise ValueError(f"layer {self.name} has no weights")
        if self.cell in CELLS and self.record.peepholes:
            raise ValueError(f"a {self.cell} is refused: no model or port is checked with its peepholes")
        self.case(np.zeros((1, 0, self.input_size), self.dtype))

    def case(self, inputs: Array, **more: Any) -> Case:
        """The case of running the layer on inputs (batch, time, input_size), in the weights' dtype.

        more: initial_state, initial_cell_state, lengths or mask, as in `reference.Case`.
        """
        first, *others = self.cells
        options = {name: getattr(self, name) for name in OPTIONS}
        return Case(inputs, **first._asdict(), more_weights=tuple(others), **options, **more)

    @property
    def record(self) -> Cell:
        """The record of the layer's cell."""
        return CELLS[self.cell]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the weights."""
        dtype: np.dtype[Any] = self.cells[0].W.dtype
        return dtype

    @property
    def input_size(self) -> int:
        """The size D of the inputs."""
        return int(self.cells[0].W.shape[1])

    @property
    def hidden_size(self) -> int:
        """The number H of units, and of cell states."""
        return len(self.cells[0].W) // len(self.record.gates)

    @property
    def projection_size(self) -> int:
        """The size of the states h where a projection makes them of H units, otherwise 0."""
        return 0 if self.cells[0].projection is None else len(self.cells[0].projection)

    @property
    def sizes(self) -> str:
        """The sizes in one short phrase, for example "3 -> 8, projected to 5"."""
        projected = f", projected to {self.projection_size}" if self.projection_size else ""
        return f"{self.input_size} -> {self.hidden_size}{projected}"

    @property
    def directions(self) -> int:
        """1, or 2 where the layer is bidirectional."""
        return 1 if self.merge_mode is None else 2

    @property
    def layers(self) -> int:
        """The number of layers on top of each other."""
        return len(self.cells) // self.directions

    @property
    def biases(self) -> int:
        """The number of biases that each cell has."""
        return sum(bias is not None for bias in self.cells[0].biases)

    @property
    def parameters(self) -> int:
        """The number of numbers in its weights."""
        return sum(w.size for weights in self.cells for w in weights if w is not None)

    def same_options(self, other: "RecurrentLayer") -> list[str]:
        """The names of the options in which another layer differs, without those that either assumes."""
        assumed = {*self.assumed, *other.assumed}
        names = [field.name for field in fields(self) if field.name in (*OPTIONS, "outputs_reversed")]
        return [n for n in names if n not in assumed and getattr(self, n) != getattr(other, n)]


@dataclass(frozen=True)
class UnreadLayer:
    """A recurrent layer of a model that cannot be read, by its name, and why in one line."""

    name: str
    reason: str


Found = RecurrentLayer | UnreadLayer


def read_or_reason(name: str, read: Callable[..., RecurrentLayer], *given: Any) -> Found:
    """The layer that a function reads, or the reason why it cannot: what is wrong with one costs no other."""
    try:
        return read(*given)
    except (ValueError, OverflowError) as error:
        return UnreadLayer(name, in_one_line(error))


def readable(found: Sequence[Found], where: str = "") -> list[RecurrentLayer]:
    """The layers that were read. Raises InvalidModel with the first reason where all others were not."""
    layers = [layer for layer in found if isinstance(layer, RecurrentLayer)]
    if found and not layers:
        raise InvalidModel(f"{where}{': ' if where else ''}{unread(found)[0].reason}")
    return layers


def unread(found: Sequence[Found]) -> list[UnreadLayer]:
    """The layers that could not be read."""
    return [layer for layer in found if isinstance(layer, UnreadLayer)]


def with_forget_bias(weights: Weights, value: float) -> Weights:
    """An LSTM's weights with what a program adds to its forget gate at run time, in recurrent_b."""
    size = len(weights.U) // 4
    added = [value if gate == "f" else 0.0 for gate in GATES["lstm"]]
    return weights._replace(recurrent_b=np.repeat(np.array(added, weights.U.dtype), size))


def only(layers: Sequence[Found], name: str | None, where: str) -> RecurrentLayer:
    """The layer of that name, of that end of a name, or the only one that was read.

    Raises InvalidModel, listing what there is, or with the reason why it could not be read.
    """
    found = [layer for layer in layers if name == layer.name]
    found = found or [layer for layer in layers if layer.name.endswith((f".{name}", f"/{name}"))]
    read = readable(layers if name is None else found, where)
    if len(read) == 1:
        return read[0]
    names = printable(", ".join(layer.name for layer in layers)) or "none"
    if name is None and read:
        raise InvalidModel(f"{where} has several recurrent layers, and needs the name of one: {names}")
    raise InvalidModel(f"{where} has no recurrent layer{f' {name}' if name else ''}; it has: {names}")


def stacked(layers: Sequence[RecurrentLayer]) -> RecurrentLayer:
    """Layers on top of each other as one, the lowest first. Raises ValueError where they are none."""
    *below, last = layers
    for layer in below:
        if not layer.return_sequences and "return_sequences" not in layer.assumed:
            raise ValueError(f"layer {layer.name} returns its last output only, so none can be on top of it")
    names = [name for name in OPTIONS if name != "return_sequences"]
    for layer in below:
        if differ := [name for name in names if getattr(layer, name) != getattr(last, name)]:
            raise ValueError(f"layers {layer.name} and {last.name} differ in {', '.join(differ)}")
    cells = tuple(cell for layer in layers for cell in layer.cells)
    return replace(last, name="+".join(layer.name for layer in layers), cells=cells)


def in_dtype(layer: RecurrentLayer, dtype: Any) -> RecurrentLayer:
    """The layer with its weights in another dtype. Raises ValueError where they are too large for it."""
    if layer.dtype == dtype:
        return layer
    with np.errstate(all="ignore"):
        cells = (Weights(*(None if a is None else a.astype(dtype) for a in w)) for w in layer.cells)
        return replace(layer, cells=tuple(cells))
