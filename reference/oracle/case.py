"""A case: the arrays and options that determine an answer."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.oracle.case_validation import validate
from rnn_lockstep.reference.oracle.cells import CELLS, Cell, Options, State, Weights
from rnn_lockstep.reference.oracle.validation import Array


class Direction(NamedTuple):
    """One direction of one layer: a cell's weights, the state it starts from, and the way it runs.

    name: "layer 1 backward", without the parts that there is only one of.
    """

    name: str
    weights: Weights
    start: State
    reverse: bool


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """The arrays and options that determine the answer of a recurrent layer, or of several in a stack.

    inputs (batch, time, D), W (gates·H, D), U (gates·H, H), b (gates·H,) or None, initial_state
    (batch, H) or None for zeros; NumPy arrays of one dtype, float64, float32, float16 or
    bfloat16 (of ml_dtypes), which may be strided.
    cell: one of `oracle.cells.CELLS`, which tells the order of its gates and the options that it has.
    activation: of the candidate and the output, one of `oracle.activations.ACTIVATIONS`.
    recurrent_activation: of the gates of a GRU or an LSTM, likewise.
    reset_after: of a GRU, see `oracle/cells/gru.py`.
    clip: a positive float that the dtype has; sums before the activation of gates and candidate are limited
    to [-clip, clip]. None for no limit.
    input_forget: of an LSTM, whether f is 1 - i, see `oracle/cells/lstm.py`.
    recurrent_b: a second bias (gates·H,), added to U·h.
    projection: of an LSTM, (P, H) or None; makes outputs of size P. States h are (batch, P) and U
    is (gates·H, P) then.
    peepholes: of a peephole_lstm, which has no projection, (3·H,), see `oracle/cells/peephole_lstm.py`.
    initial_cell_state: of an LSTM, (batch, H), given whenever initial_state is.
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
    projection: Array | None = None
    peepholes: Array | None = None
    clip: float | None = None
    input_forget: bool = False

    def __post_init__(self) -> None:
        validate(self)

    def arrays(self) -> dict[str, Array]:
        """The case's arrays of numbers by name, without those it does not have."""
        names = ("inputs", *Weights._fields, "initial_state", "initial_cell_state")
        arrays = {name: getattr(self, name) for name in names}
        for k, weights in enumerate(self.more_weights):
            arrays.update({f"more_weights[{k}].{name}": w for name, w in weights._asdict().items()})
        return {name: array for name, array in arrays.items() if array is not None}

    @property
    def weights(self) -> Weights:
        """The weights of the only or first cell."""
        return Weights(*(getattr(self, name) for name in Weights._fields))

    @property
    def record(self) -> Cell:
        """The record of the case's cell."""
        return CELLS[self.cell]

    @property
    def options(self) -> Options:
        """The options of the case's cell."""
        return Options(*(getattr(self, name) for name in Options._fields))

    @property
    def passes(self) -> tuple[tuple[Direction, ...], ...]:
        """The directions of each layer, from the lowest up, forward before backward."""
        everyone = (self.weights, *self.more_weights)
        if len(everyone) == 1:
            return ((Direction("", self.weights, self.start, self.reverse),),)
        starts = list(zip(*self.start, strict=True))
        layers: list[tuple[Direction, ...]] = []
        for k in range(0, len(everyone), self.directions):
            name = f"layer {k // self.directions}" if self.layers > 1 else ""
            if self.directions == 1:
                layers.append((Direction(name, everyone[k], starts[k], False),))
            else:
                forward = Direction(f"{name} forward".strip(), everyone[k], starts[k], False)
                backward = Direction(f"{name} backward".strip(), everyone[k + 1], starts[k + 1], True)
                layers.append((forward, backward))
        return tuple(layers)

    @property
    def h0(self) -> Array:
        """The initial state, zeros where it was omitted."""
        return self._or_zeros(self.initial_state, self.state_shapes[0])

    @property
    def c0(self) -> Array:
        """The initial cell state of an LSTM, zeros where it was omitted."""
        return self._or_zeros(self.initial_cell_state, self.state_shapes[-1])

    def _or_zeros(self, state: Array | None, shape: tuple[int, ...]) -> Array:
        """The state as it was given, or zeros of this shape."""
        return np.zeros(shape, self.dtype) if state is None else state

    @property
    def start(self) -> State:
        """The state before the first step: (h0,), or (h0, c0) for an LSTM."""
        return (self.h0, self.c0) if len(self.record.states) == 2 else (self.h0,)

    def step(self, x_t: Any, state: State, weights: Weights | None = None) -> State:
        """The state after one step of the case's cell, in the arithmetic of the arguments.

        weights: the cell's; the first cell's when omitted.
        """
        return self.record.step(x_t, state, weights or self.weights, self.options)

    @property
    def bounded(self) -> bool:
        """Tell whether outputs lie between -1 and 1."""
        return self.projection is None and self.record.bounded(self.options)

    @property
    def padded(self) -> bool:
        """Tell whether the case has lengths or a mask."""
        return self.lengths is not None or self.mask is not None

    @property
    def valid(self) -> Array:
        """The steps that count, bools (batch, time); the others are padding."""
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
        """The number of units H, and of cell states."""
        return len(self.W) // len(self.record.gates)

    @property
    def output_size(self) -> int:
        """The size of h: H, or less with a projection."""
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
        return self.output_size * (2 if self.merge_mode == "concat" else 1)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each state: (batch, H), or (layers·directions, batch, H) of several cells."""
        cells = (1 + len(self.more_weights),) if self.more_weights else ()
        sizes = (self.output_size, self.hidden_size)
        return tuple((*cells, self.batch, size) for size, _ in zip(sizes, self.record.states, strict=False))

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state h."""
        return self.state_shapes[0]

    def by_cell(self, state: Any) -> Any:
        """The state as (layers·directions, batch, size), also where there is one cell only."""
        return state.reshape(self.layers * self.directions, self.batch, state.shape[-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inputs.dtype

    @property
    def kind(self) -> str:
        """The cell and the options that are not its defaults, as one word."""
        gated, usual = len(self.record.gates) > 1, Options()
        words = [self.cell if gated else self.activation]
        if gated and self.recurrent_activation != usual.recurrent_activation:
            words.append(self.recurrent_activation)
        if gated and self.activation != usual.activation:
            words.append(f"activation={self.activation}")
        if not self.reset_after and "reset_after" in self.record.options:
            words.insert(1, "reset_before")
        words += [] if self.clip is None else [f"clip={self.clip:g}"]
        words += ["input_forget"] if self.input_forget else []
        words += [] if self.projection is None else [f"projection{self.output_size}"]
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
        """Show the case in Hypothesis and IPython: in one line, without the arrays."""
        printer.text(repr(self))
