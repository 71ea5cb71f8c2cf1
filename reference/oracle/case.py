"""A case: everything that determines the answer."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.oracle import cells
from rnn_lockstep.reference.oracle.cells import ACTIVATIONS, GATES, RECURRENT_ACTIVATIONS, Weights
from rnn_lockstep.reference.oracle.layer import MERGE_MODES, State
from rnn_lockstep.reference.oracle.validation import (
    Array,
    floats,
    need_finite,
    need_lengths,
    need_mask,
    need_shape,
    need_weights,
    one_of,
)

DTYPES = tuple(FORMATS)


class Pass(NamedTuple):
    """One cell on its way through time: a layer in one of its directions."""

    name: str
    weights: Weights
    start: State
    reverse: bool


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """Everything that determines the answer of a recurrent layer, or of several on top of each other.

    inputs (batch, time, D), W (gates·H, D), U (gates·H, H), b (gates·H,) or None, initial_state
    (batch, H) or None for zeros; NumPy arrays of one dtype, float64, float32, float16 or
    bfloat16 (of ml_dtypes), which may be strided.
    cell: "simple_rnn", "gru" or "lstm"; the order of its gates is that of `reference.oracle.cells.GATES`.
    activation: "tanh", or "relu" for a simple RNN.  recurrent_activation, of GRU and LSTM: "sigmoid",
    "hard_sigmoid" or "hard_sigmoid_keras2".  reset_after, of a GRU: see `reference.oracle.cells.gru`.
    recurrent_b: a second bias (gates·H,), added to U·h.
    initial_cell_state, of an LSTM: given whenever initial_state is, in its shape.
    lengths: (batch,), integers from 0 to time, how many steps of each row count, or None for all.
    mask: (batch, time), bool, which steps count, where it is not the first ones; not beside lengths.
    What does not count is padding, which may hold anything, NaN too: it leaves the state as it is, and
    outputs there are zero.
    reverse: steps run from the last that counts to the first; outputs are in the order of the inputs.
    merge_mode: of a bidirectional layer, "concat", "sum", "mul" or "ave", what becomes of the outputs of
    its forward and its backward direction; None for a single direction.
    more_weights: those of further cells, for several directions or layers, in torch's order: layer by
    layer, forward before backward; each layer but the first has the outputs of the one below as inputs.
    With several cells the states are (layers·directions, batch, H), in the same order.
    return_sequences: False to return the last output only, (batch, features).
    Raises ValueError, naming the array or option, when they do not fit together.
    """

    inputs: Array
    W: Array
    U: Array
    b: Array | None
    initial_state: Array | None = None
    activation: str = "tanh"
    cell: str = "simple_rnn"
    recurrent_b: Array | None = None
    initial_cell_state: Array | None = None
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    lengths: Array | None = None
    reverse: bool = False
    mask: Array | None = None
    merge_mode: str | None = None
    more_weights: tuple[Weights, ...] = ()
    return_sequences: bool = True

    def __post_init__(self) -> None:
        self._need_options()
        for k, weights in enumerate(self.more_weights):
            if not isinstance(weights, Weights):
                raise ValueError(f"more_weights[{k}] is a {type(weights).__name__}, needs Weights")
        for name, array in self.arrays().items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is a {type(array).__name__}, needs a NumPy array")
            floats(name, array, DTYPES, finite=name != "inputs")
            if array.dtype != self.inputs.dtype:
                raise ValueError(f"{name} has dtype {array.dtype}, needs {self.inputs.dtype} like inputs")
        if self.inputs.ndim != 3:
            raise ValueError(f"inputs has shape {self.inputs.shape}, needs (batch, time, input_size)")
        need_weights(self.cell, self.weights, self.input_size)
        self._need_more_weights()
        for name in ("initial_state", "initial_cell_state"):
            if (state := getattr(self, name)) is not None:
                cells = "layers*directions, " if self.more_weights else ""
                need_shape(name, state, self.state_shape, f"({cells}batch, hidden_size)")
        if self.lengths is not None:
            need_lengths(self.lengths, self.batch, self.time)
        if self.mask is not None:
            need_mask(self.mask, self.batch, self.time)
        need_finite("inputs", self.inputs, among=self.valid)

    def _need_options(self) -> None:
        one_of("cell", self.cell, GATES)
        one_of("activation", self.activation, ACTIVATIONS if self.cell == "simple_rnn" else ("tanh",))
        one_of("recurrent_activation", self.recurrent_activation, RECURRENT_ACTIVATIONS)
        if self.merge_mode is not None:
            one_of("merge_mode", self.merge_mode, MERGE_MODES)
        if self.reverse and (self.merge_mode or self.more_weights):
            raise ValueError("reverse goes with one layer of one direction")
        if self.lengths is not None and self.mask is not None:
            raise ValueError("lengths and mask are two ways to say the same, needs one of them")
        if (self.initial_cell_state is not None) != (self.cell == "lstm" and self.initial_state is not None):
            raise ValueError("initial_cell_state goes with the initial_state of an LSTM, and with no other")

    def _need_more_weights(self) -> None:
        if self.directions == 2 and len(self.more_weights) % 2 == 0:
            raise ValueError(
                f"more_weights has {len(self.more_weights)} cells beside the first, needs an odd number: "
                "each layer has two directions"
            )
        for k, weights in enumerate(self.more_weights, start=1):
            input_size = self.input_size if k < self.directions else self.features
            name = f"more_weights[{k - 1}]."
            need_weights(self.cell, weights, input_size, name)
            need_shape(f"{name}U", weights.U, self.U.shape, "that of the first cell's U")
            if [bias is None for bias in weights[2:]] != [self.b is None, self.recurrent_b is None]:
                raise ValueError(f"{name}b and {name}recurrent_b must be there where the first cell's are")

    def arrays(self) -> dict[str, Array]:
        """The case's arrays of numbers by name, without those it does not have."""
        names = ("inputs", "W", "U", "b", "recurrent_b", "initial_state", "initial_cell_state")
        arrays = {name: getattr(self, name) for name in names}
        for k, weights in enumerate(self.more_weights):
            arrays.update({f"more_weights[{k}].{name}": w for name, w in weights._asdict().items()})
        return {name: array for name, array in arrays.items() if array is not None}

    @property
    def weights(self) -> Weights:
        """Those of the only or first cell."""
        return Weights(self.W, self.U, self.b, self.recurrent_b)

    @property
    def passes(self) -> tuple[tuple[Pass, ...], ...]:
        """Every cell's way through time, by layer and direction."""
        everyone = (self.weights, *self.more_weights)
        if len(everyone) == 1:
            return ((Pass("", self.weights, self.start, self.reverse),),)
        starts = list(zip(*self.start, strict=True))
        layers: list[tuple[Pass, ...]] = []
        for k in range(0, len(everyone), self.directions):
            name = f"layer {k // self.directions}" if self.layers > 1 else ""
            if self.directions == 1:
                layers.append((Pass(name, everyone[k], starts[k], False),))
            else:
                forward = Pass(f"{name} forward".strip(), everyone[k], starts[k], False)
                backward = Pass(f"{name} backward".strip(), everyone[k + 1], starts[k + 1], True)
                layers.append((forward, backward))
        return tuple(layers)

    @property
    def h0(self) -> Array:
        """The initial state, zeros where it was omitted."""
        return self._or_zeros(self.initial_state)

    @property
    def c0(self) -> Array:
        """The initial cell state of an LSTM, zeros where it was omitted."""
        return self._or_zeros(self.initial_cell_state)

    def _or_zeros(self, state: Array | None) -> Array:
        return np.zeros(self.state_shape, self.dtype) if state is None else state

    @property
    def start(self) -> State:
        """The state before the first step: (h0,), or (h0, c0) for an LSTM."""
        return (self.h0, self.c0) if self.cell == "lstm" else (self.h0,)

    def step(self, x_t: Any, state: State, weights: Weights | None = None) -> State:
        """One step of the case's cell, in whatever arithmetic the arguments are.

        weights: the cell's; the first cell's when omitted.
        """
        weights = weights or self.weights
        if self.cell == "lstm":
            h, c = state
            return cells.lstm(x_t, h, c, weights, self.recurrent_activation)
        return (self.output(x_t, state[0], weights),)

    def output(self, x_t: Any, h: Any, weights: Weights) -> Any:
        """The next state of a cell that has no other state than its output."""
        if self.cell == "gru":
            return cells.gru(x_t, h, weights, self.recurrent_activation, self.reset_after)
        return cells.simple_rnn(x_t, h, weights, self.activation)

    @property
    def bounded(self) -> bool:
        """Whether outputs lie between -1 and 1."""
        return self.activation == "tanh"

    @property
    def padded(self) -> bool:
        """Whether the case says which steps count."""
        return self.lengths is not None or self.mask is not None

    @property
    def valid(self) -> Array:
        """Which steps count, (batch, time); the others are padding."""
        if self.mask is not None:
            return self.mask
        if self.lengths is None:
            return np.ones((self.batch, self.time), bool)
        return np.arange(self.time) < self.lengths[:, None]

    @property
    def batch(self) -> int:
        return len(self.inputs)

    @property
    def time(self) -> int:
        return int(self.inputs.shape[1])

    @property
    def input_size(self) -> int:
        return int(self.inputs.shape[2])

    @property
    def hidden_size(self) -> int:
        return int(self.U.shape[1])

    @property
    def directions(self) -> int:
        return 1 if self.merge_mode is None else 2

    @property
    def layers(self) -> int:
        return (1 + len(self.more_weights)) // self.directions

    @property
    def features(self) -> int:
        """The size of an output: that of a state, or of two where directions are concatenated."""
        return self.hidden_size * (2 if self.merge_mode == "concat" else 1)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """(batch, H), or (layers·directions, batch, H) of several cells."""
        cells = (1 + len(self.more_weights),) if self.more_weights else ()
        return (*cells, self.batch, self.hidden_size)

    @property
    def cells_shape(self) -> tuple[int, int, int]:
        """(layers·directions, batch, H), of one cell too."""
        return (self.layers * self.directions, self.batch, self.hidden_size)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inputs.dtype

    @property
    def kind(self) -> str:
        """The cell with what is not its default, in one word."""
        words = {
            "simple_rnn": [self.activation],
            "gru": ["gru", "" if self.reset_after else "reset_before"],
            "lstm": ["lstm"],
        }[self.cell]
        if self.cell != "simple_rnn" and self.recurrent_activation != "sigmoid":
            words.append(self.recurrent_activation)
        words += ["reverse" if self.reverse else "", self.merge_mode or ""]
        words += [f"{self.layers}layers" if self.layers > 1 else ""]
        words += ["" if self.return_sequences else "last_output"]
        return "/".join(word for word in words if word)

    @property
    def sizes(self) -> str:
        """The sizes in one short phrase, for tables and messages."""
        return (
            f"batch={self.batch} time={self.time} input_size={self.input_size} hidden_size={self.hidden_size}"
        )

    def __repr__(self) -> str:
        state = "zeros" if self.initial_state is None else "given"
        biases = 2 - (self.b is None) - (self.recurrent_b is None)
        words = [self.kind, self.dtype, self.sizes, f"biases={biases}", f"initial_state={state}"]
        if self.lengths is not None:
            words.append(f"lengths={self.lengths.tolist()}")
        if self.mask is not None:
            words.append(f"mask={self.mask.astype(int).tolist()}")
        return f"<Case {' '.join(str(word) for word in words)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How Hypothesis and IPython show it: in one line, without the arrays."""
        printer.text(repr(self))
