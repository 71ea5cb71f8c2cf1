"""The cells: a file each, with its formulas forwards and backwards, and the record that describes it."""

from rnn_lockstep.reference.oracle.cells import gru, lstm, peephole_lstm, simple_rnn
from rnn_lockstep.reference.oracle.cells.parts import (
    Cell,
    Gates,
    Options,
    State,
    StepCotangents,
    Weights,
    input_sum,
    recurrent_sum,
    split,
)

__all__ = [
    "CELLS",
    "GATES",
    "Cell",
    "Gates",
    "Options",
    "State",
    "StepCotangents",
    "Weights",
    "input_sum",
    "recurrent_sum",
    "split",
]

CELLS: dict[str, Cell] = {cell.CELL.name: cell.CELL for cell in (simple_rnn, gru, lstm, peephole_lstm)}
# The letters of each cell's gates, in the order of the reference layout.
GATES: dict[str, tuple[str, ...]] = {name: cell.gates for name, cell in CELLS.items()}
