"""The parts that cells are made of: their weights, their options, and the record that describes one.

A cell only uses operators and NumPy ufuncs, so the same lines run on float arrays (the oracle), on
`bound.rounding.Rounded` arrays (the bound), on object arrays and on complex arrays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, Activation, clipped

State = tuple[Any, ...]  # (h,), or (h, c) of a cell that has a cell state
Gates = Sequence[Any]  # one array for each gate, in the order of the cell's `gates`


class Weights(NamedTuple):
    """The weights of one cell. Those that are None add nothing.

    W: (gates·H, D).  U: (gates·H, output size).
    b, recurrent_b: (gates·H,), added to the input's sum W·x and to the state's sum U·h.
    projection: (P, H), of an LSTM, multiplies what is its output otherwise; the output size is P, else H.
    peepholes: (3·H,), of an LSTM with peepholes, by which its gates i, f and o multiply the cell state.
    """

    W: Any
    U: Any
    b: Any = None
    recurrent_b: Any = None
    projection: Any = None
    peepholes: Any = None

    @property
    def biases(self) -> tuple[Any, Any]:
        """The biases b and recurrent_b, each an array or None."""
        return self.b, self.recurrent_b


class Options(NamedTuple):
    """The options of a cell; those that it does not have make no difference.

    activation: of the candidate and the output.  recurrent_activation: of the gates.  reset_after: of a
    GRU, whether the reset gate is applied after the product with U.  clip: the limit of the size of the
    sums before the activation of gates and candidate, or None.  input_forget: of an LSTM, see its file.
    """

    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    clip: float | None = None
    input_forget: bool = False

    @property
    def candidate(self) -> Activation:
        """The activation of the candidate, or of a simple RNN, with its clip."""
        return clipped(self.activation, self.clip)

    @property
    def output(self) -> Activation:
        """The activation of a cell state on its way to the output, which is not clipped."""
        return ACTIVATIONS[self.activation]

    @property
    def gate(self) -> Activation:
        """The activation of the gates, with their clip."""
        return clipped(self.recurrent_activation, self.clip)


class StepCotangents(NamedTuple):
    """The cotangents that one step hands back: derivatives of the scalar L, each in its array's shape.

    state: of the state before the step, (h,) or (h, c), each (batch, H).
    input_sum: of W·x_t + b, (batch, gates·H).
    recurrent_sum: of U·h + recurrent_b, (batch, gates·H); it differs from input_sum where a GRU's reset
    gate comes between the two.
    projected: (batch, H), the array that the projection multiplies; None without a projection.
    peepholes: (batch, 3·H), of the peepholes, by row of the batch; None without peepholes.
    """

    state: State
    input_sum: Any
    recurrent_sum: Any
    projected: Any = None
    peepholes: Any = None


@dataclass(frozen=True)
class Cell:
    """A recurrent cell as data: its gates, its options, and its formulas forwards and backwards.

    name: as in a case.  gates: a letter for each, in the order of the reference layout (that of torch).
    options: the values that each of its options may have, the default first.
    activated: (x_t, h, weights, options) -> the gates. Everything that needs no cell state: of gates that
    see it, with peepholes, their sums before the activation.
    output: (gates, h, c, weights, options) -> the next h, with the next c, or None, for c.
    step_back: (x_t, state, weights, cotangent of the next state, options) -> StepCotangents.
    next_cell_state: (gates, c, weights, options) -> the next c, elementwise; None for a cell that has no
    cell state.
    operands: (x, h, weights, options) -> what the rows of U of each gate are multiplied by.
    bounded: options -> whether the outputs lie between -1 and 1, where the initial state does.
    projects: it can have a projection.
    peepholes: the gates that see the cell state, in the order of the weights for it.
    """

    name: str
    gates: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...]]
    activated: Callable[[Any, Any, Weights, Options], Gates]
    output: Callable[[Gates, Any, Any, Weights, Options], Any]
    step_back: Callable[[Any, State, Weights, State, Options], StepCotangents]
    next_cell_state: Callable[[Gates, Any, Weights, Options], Any] | None = None
    operands: Callable[[Any, Any, Weights, Options], Sequence[Any]] | None = None
    bounded: Callable[[Options], bool] = field(default=lambda options: bounded(options.activation))
    projects: bool = False
    peepholes: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        """The names of its states, as in a case."""
        return ("initial_state",) if self.next_cell_state is None else ("initial_state", "initial_cell_state")

    def step(self, x_t: Any, state: State, weights: Weights, options: Options) -> State:
        """The state after one step, (h,) or (h, c), in the arithmetic of the arguments."""
        gates = self.activated(x_t, state[0], weights, options)
        if self.next_cell_state is None:
            return (self.output(gates, state[0], None, weights, options),)
        c = self.next_cell_state(gates, state[1], weights, options)
        return self.output(gates, state[0], c, weights, options), c


def bounded(activation: str, least: float = -1.0) -> bool:
    """Tell whether an activation's values lie between `least` and 1."""
    return least <= ACTIVATIONS[activation].least and ACTIVATIONS[activation].most <= 1


def names(first: str) -> tuple[str, ...]:
    """The names of all activations, this one first."""
    return (first, *(name for name in ACTIVATIONS if name != first))


def input_sum(x_t: Any, weights: Weights) -> Any:
    """The input's sum W·x_t + b."""
    product = x_t @ weights.W.T
    return product if weights.b is None else product + weights.b


def recurrent_sum(h: Any, weights: Weights) -> Any:
    """The state's sum U·h + recurrent_b."""
    product = h @ weights.U.T
    return product if weights.recurrent_b is None else product + weights.recurrent_b


def recurrent_rows(weights: Weights, rows: slice) -> Weights:
    """Some rows of U and recurrent_b: the recurrent weights of some of the gates."""
    b = weights.recurrent_b
    return weights._replace(U=weights.U[rows], recurrent_b=None if b is None else b[rows])


def with_rest(gate: Any, options: Options) -> Any:
    """A gate beside its rest, 1 - gate, with the error of a backend that makes the gate of that one.

    Only arrays that carry an error are changed: see `ErrorArray.as_rest`.
    """
    return gate.as_rest(options.recurrent_activation) if isinstance(gate, ErrorArray) else gate


def split(z: Any, count: int) -> list[Any]:
    """Split an array into `count` equal parts of its last axis."""
    size = z.shape[-1] // count
    return [z[..., k * size : (k + 1) * size] for k in range(count)]
