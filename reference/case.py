"""A case, which determines the answer, and a trace, which is what a backend answered."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference import cells
from reference.cells import ACTIVATIONS, GATES, RECURRENT_ACTIVATIONS, Weights
from reference.layer import State
from reference.validation import Array, floats, need_finite, need_layer, need_lengths, one_of

DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """Everything that determines the answer of one recurrent layer.

    inputs (batch, time, D), W (gates·H, D), U (gates·H, H), b (gates·H,) or None, initial_state
    (batch, H) or None for zeros; NumPy arrays of one dtype, float32 or float64, which may be strided.
    cell: "simple_rnn", "gru" or "lstm"; the order of its gates is that of `reference.cells.GATES`.
    activation: "tanh", or "relu" for a simple RNN.  recurrent_activation, of GRU and LSTM: "sigmoid",
    "hard_sigmoid" or "hard_sigmoid_keras2".  reset_after, of a GRU: see `reference.cells.gru`.
    recurrent_b: a second bias (gates·H,), added to U·h.
    initial_cell_state, of an LSTM: (batch, H), given whenever initial_state is.
    lengths: (batch,), integers from 0 to time, how many steps of each row count, or None for all. What
    follows them is padding, which may hold anything, NaN too: outputs there are zero, and the final
    state is that after the last step that counts, or the initial state.
    reverse: steps run from the last that counts to the first; outputs are in the order of the inputs.
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

    def __post_init__(self) -> None:
        one_of("cell", self.cell, GATES)
        one_of("activation", self.activation, ACTIVATIONS if self.cell == "simple_rnn" else ("tanh",))
        one_of("recurrent_activation", self.recurrent_activation, RECURRENT_ACTIVATIONS)
        for name, array in self.arrays().items():
            floats(name, array, DTYPES, finite=name != "inputs")
            if array.dtype != self.inputs.dtype:
                raise ValueError(f"{name} has dtype {array.dtype}, needs {self.inputs.dtype} like inputs")
        if self.inputs.ndim != 3:
            raise ValueError(f"inputs has shape {self.inputs.shape}, needs (batch, time, input_size)")
        states = {"initial_state": self.initial_state, "initial_cell_state": self.initial_cell_state}
        need_layer(self.cell, self.inputs, self.weights, states)
        if (self.initial_cell_state is not None) != (self.cell == "lstm" and self.initial_state is not None):
            raise ValueError("initial_cell_state goes with the initial_state of an LSTM, and with no other")
        if self.lengths is not None:
            need_lengths(self.lengths, self.batch, self.time)
        need_finite("inputs", self.inputs, among=self.valid)

    def arrays(self) -> dict[str, Array]:
        """The case's arrays by name, without those it does not have."""
        names = ("inputs", "W", "U", "b", "recurrent_b", "initial_state", "initial_cell_state")
        return {name: array for name in names if (array := getattr(self, name)) is not None}

    @property
    def weights(self) -> Weights:
        return Weights(self.W, self.U, self.b, self.recurrent_b)

    @property
    def h0(self) -> Array:
        """The initial state (batch, H), zeros where it was omitted."""
        return self._or_zeros(self.initial_state)

    @property
    def c0(self) -> Array:
        """The initial cell state (batch, H) of an LSTM, zeros where it was omitted."""
        return self._or_zeros(self.initial_cell_state)

    def _or_zeros(self, state: Array | None) -> Array:
        return np.zeros((self.batch, self.hidden_size), self.dtype) if state is None else state

    @property
    def start(self) -> State:
        """The state before the first step: (h0,), or (h0, c0) for an LSTM."""
        return (self.h0, self.c0) if self.cell == "lstm" else (self.h0,)

    def step(self, x_t: Any, state: State) -> State:
        """One step of the case's cell, in whatever arithmetic the arguments are."""
        if self.cell == "lstm":
            h, c = state
            return cells.lstm(x_t, h, c, self.weights, self.recurrent_activation)
        return (self.output(x_t, state[0], self.weights),)

    def output(self, x_t: Any, h: Any, weights: Weights) -> Any:
        """The next state of a cell that has no other state than its output."""
        if self.cell == "gru":
            return cells.gru(x_t, h, weights, self.recurrent_activation, self.reset_after)
        return cells.simple_rnn(x_t, h, weights, self.activation)

    @property
    def valid(self) -> Array:
        """Which steps count, (batch, time); the others are padding."""
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
        if self.reverse:
            words.append("reverse")
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
        lengths = "" if self.lengths is None else f" lengths={self.lengths.tolist()}"
        return f"<Case {self.kind} {self.dtype} {self.sizes} biases={biases} initial_state={state}{lengths}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How Hypothesis and IPython show it: in one line, without the arrays."""
        printer.text(repr(self))


@dataclass(frozen=True, eq=False)
class Trace:
    """What a backend answered, in the case's dtype.

    outputs (batch, time, H), final_state (batch, H) and, of an LSTM, final_cell_state (batch, H).
    """

    outputs: Array
    final_state: Array
    final_cell_state: Array | None = None
