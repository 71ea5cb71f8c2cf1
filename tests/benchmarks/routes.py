"""Ways for a number through a real layer that does nothing to it but one function."""

from typing import NamedTuple

import numpy as np

from rnn_lockstep.adapters import Adapter, Case
from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.activations import sigmoid

# Biases of gates that no number reaches. In every dtype sigmoid(100) and tanh(50) round to 1, and so does
# 1 - sigmoid(-100) = 1 - 4e-44; what a shut gate is multiplied with is 0. So no product here rounds.
SHUT, OPEN = -100.0, 100.0


class Route(NamedTuple):
    """A layer with one unit, and U = 0, that answers a number x with function(x).

    W, b: a figure for each gate, in the order of `reference.oracle.cells.CELLS`; recurrent_b, if any, too.
    state: the figures of initial_state and initial_cell_state; zeros where it is empty.
    observed: the part of the trace that has the answer.
    activation, reset_after: of the cell.
    """

    function: str
    cell: str
    W: tuple[float, ...]
    b: tuple[float, ...]
    state: tuple[float, ...] = ()
    observed: str = "final_state"
    activation: str = "tanh"
    recurrent_b: tuple[float, ...] = ()
    reset_after: bool = True

    def case(self, x: np.ndarray) -> Case:
        """The numbers x (n,) as a batch of sequences of one step."""
        W, b = (np.array(figures, x.dtype) for figures in (self.W, self.b))
        states = [np.full((len(x), 1), figure, x.dtype) for figure in self.state]
        names = ("initial_state", "initial_cell_state")
        return Case(
            x[:, None, None],
            W[:, None],
            np.zeros_like(W[:, None]),
            b,
            activation=self.activation,
            cell=self.cell,
            reset_after=self.reset_after,
            recurrent_b=np.array(self.recurrent_b, x.dtype) if self.recurrent_b else None,
            **dict(zip(names, states, strict=False)),
        )

    def answers(self, adapter: Adapter, x: np.ndarray) -> np.ndarray:
        """The backend's values of the function at the numbers x, (n,)."""
        return getattr(run(adapter, self.case(x)), self.observed)[:, 0]


# n = 0 and h = 1, which leaves z
OF_Z = Route("sigmoid", "gru", W=(0, 1, 0), b=(0, 0, 0), state=(1,))
# n = 1, h = 0 and -x, which leaves 1 - z: the gate itself where a framework has h' = (1 - z)∘h + z∘n
OF_MIRRORED_Z = Route("sigmoid", "gru", W=(0, -1, 0), b=(0, 0, OPEN))
# A framework's cells need not share their functions: torch's float32 LSTM is oneDNN's and has its own.
ROUTES = (
    Route("tanh", "simple_rnn", W=(1,), b=(0,)),
    # r, z, n: h' = (1 - z)∘n + z∘h with z = 0, which leaves n
    Route("tanh", "gru", W=(0, 0, 1), b=(0, SHUT, 0)),
    # i, f, g, o: c' = f∘c + i∘g with f = 0 and i = 1, which leaves g
    Route("tanh", "lstm", W=(0, 0, 1, 0), b=(OPEN, SHUT, 0, OPEN), observed="final_cell_state"),
    Route("softsign", "simple_rnn", W=(1,), b=(0,), activation="softsign"),
    Route("elu", "simple_rnn", W=(1,), b=(0,), activation="elu"),
    OF_Z,
    # n = r∘1 and z = 0, which leaves r: of some frameworks another function than z
    Route("sigmoid", "gru", W=(1, 0, 0), b=(0, SHUT, 0), activation="linear", recurrent_b=(0, 0, 1)),
    # h' = o∘tanh(c') with c' = c = 50, which leaves o
    Route("sigmoid", "lstm", W=(0, 0, 0, 1), b=(SHUT, OPEN, 0, 0), state=(0, 50)),
)


def has_mirrored_z(adapter: Adapter, of_z: Route) -> bool:
    """Tell whether a backend's GRU has 1 - sigmoid(-x) for z, which has few digits where z is small."""
    dtype = adapter.facts.dtypes[0]
    z = 1.3 * Arithmetic(np.dtype(dtype)).unit  # between two numbers that 1 less another number may be
    x = np.array([np.log(z)], dtype)
    return bool(abs(of_z.answers(adapter, x)[0] / sigmoid(x.astype(np.float64))[0] - 1) > 0.1)


def routes(adapter: Adapter) -> list[Route]:
    """The routes through the cells and activations that the backend has, in a form of the GRU that it has."""
    facts = adapter.facts
    after = facts.reset_after[0]
    able = [r for r in ROUTES if r.cell in facts.cells and facts.takes(r.cell, r.activation)]
    able = [r for r in able if not r.recurrent_b or (2 in facts.biases and after)]
    able = [r._replace(reset_after=after or r.cell != "gru") for r in able]
    of_z, mirrored = (r._replace(reset_after=after) for r in (OF_Z, OF_MIRRORED_Z))
    if of_z in able and has_mirrored_z(adapter, of_z):
        able[able.index(of_z)] = mirrored
    return able
