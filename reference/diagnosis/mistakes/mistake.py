"""Mistakes: the right layers and one thing done wrong.

A mistake is written once. On plain arrays it is a backend with a fault; on arrays that carry errors
it is an explanation, which holds where a backend's answer lies within them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import CELLS as RECORDS
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.engine import Engine
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

CELLS = tuple(RECORDS)
GATED = tuple(name for name, record in RECORDS.items() if len(record.gates) > 1)
# An LSTM, and one with peepholes, which has the same gates, weights and states beside these.
LSTMS = tuple(name for name, record in RECORDS.items() if record.gates == RECORDS["lstm"].gates)
SAME_GATES = {"gru": ("gru",), "lstm": LSTMS}  # the cells whose gates are those of one
STATE, CELL_STATE = "initial_state", "initial_cell_state"
Result = Any  # outputs and final state
Change = Callable[[Case, Weights], Weights]

# Which cells of a case a mistake is made with, by their place in torch's order.
SCOPES: dict[str, Callable[[Case, int], bool]] = {
    "": lambda case, k: True,
    "in the first layer": lambda case, k: k < case.directions,
    "above the first layer": lambda case, k: k >= case.directions,
    "in the backward direction": lambda case, k: case.directions == 2 and k % 2 == 1,
    "in the forward direction": lambda case, k: case.directions == 2 and k % 2 == 0,
}


@dataclass(frozen=True, eq=False)
class Mistake:
    """Something done in place of the right thing. Where it makes no difference, the answer is right.

    description: what was done, as a clause: "U is transposed".
    cells: those which it can be made with.
    change_weights: other weights of a cell, of those in `scope`.
    change_case: the case that is run in place of the one asked for.
    step: the step (case, t, x_t, state, weights) that is taken in place of the case's.
    run_direction: how a cell is run, (case, run, direction, inputs), by means of the right `run`.
    final_states_of: the case from which the final states are taken, where it is another than for the outputs.
    change_trace: what is shown, (case, trace), in place of the trace.
    """

    description: str
    cells: Sequence[str] = field(default=CELLS, kw_only=True)
    change_weights: Change | None = None
    scope: str = ""
    change_case: Callable[[Case], Case] | None = None
    step: Callable[[Case, int, Any, State, Weights], State] | None = None
    run_direction: Callable[..., tuple[Any, State]] | None = None
    final_states_of: Callable[[Case], Case] | None = None
    change_trace: Callable[[Case, Trace], Trace] | None = None

    def mistaken_case(self, case: Case) -> Case:
        """Return the case that is run in place of the one asked for."""
        if self.change_case:
            case = self.change_case(case)
        return with_weights(case, self.change_weights, SCOPES[self.scope]) if self.change_weights else case

    @property
    def hides_states(self) -> bool:
        """Tell whether the outputs may not be the states that the steps went on from."""
        return bool(self.run_direction or self.final_states_of or self.change_trace)

    def only_in(self, scope: str) -> "Mistake":
        """Return the same mistake, made with the weights of some cells only."""
        return replace(self, description=f"{self.description} {scope}", scope=scope)


def answer(mistakes: Sequence[Mistake], case: Case, engine: Engine) -> Trace:
    """The answer to a case of whoever makes all of these mistakes, in the engine's arithmetic.

    A mistake of other cells than the case's makes no difference.
    """
    mistakes = [mistake for mistake in mistakes if case.cell in mistake.cells]

    def one(name: str) -> Any:
        return next((function for mistake in mistakes if (function := getattr(mistake, name))), None)

    def run(case: Case) -> Trace:
        own = (function and partial(function, case) for function in (one("step"), one("run_direction")))
        return engine.answer(case, *own)

    mistaken = reduce(lambda case, mistake: mistake.mistaken_case(case), mistakes, case)
    trace = run(mistaken)
    if states := one("final_states_of"):
        other = run(states(case))
        trace = replace(trace, final_state=other.final_state, final_cell_state=other.final_cell_state)
    for mistake in mistakes:
        trace = mistake.change_trace(case, trace) if mistake.change_trace else trace
    return trace


def with_weights(case: Case, change: Change, among: Callable[[Case, int], bool]) -> Case:
    """Change the weights of some of a case's cells."""
    cells = [case.weights, *case.more_weights]
    return with_cells(case, [change(case, w) if among(case, k) else w for k, w in enumerate(cells)])


def with_cells(case: Case, cells: Sequence[Weights]) -> Case:
    """Put other weights into a case, those of each cell."""
    return replace(case, **cells[0]._asdict(), more_weights=tuple(cells[1:]))


def with_states(case: Case, *states: Any) -> Case:
    """Put another initial state into a case and, for an LSTM, another initial cell state."""
    return replace(case, **dict(zip((STATE, CELL_STATE), states, strict=False)))


def with_other_numbers(array: Any, change: Callable[[Array], Array]) -> Any:
    """An array of any arithmetic with its numbers changed, which is as far off as before."""
    value = np.asarray(array.value if isinstance(array, ErrorArray) else array, np.float64)
    return array + (change(value) - value)


def with_options(**options: Any) -> Callable[[Case], Case]:
    """Make the change that puts other options into a case."""
    return lambda case: replace(case, **options)


def change_each_gate(case: Case, array: Array, change: Callable[[Array], Array]) -> Array:
    """Change the part of each gate in an array of weights."""
    return np.concatenate([change(part) for part in np.split(array, len(case.record.gates))])


def change_one_gate(case: Case, array: Array, gate: str, change: Callable[[Array], Array]) -> Array:
    """Change the part of one gate in an array of weights."""
    parts = np.split(array, len(case.record.gates))
    k = case.record.gates.index(gate)
    parts[k] = change(parts[k])
    return np.concatenate(parts)


def zeros_in_padding(case: Case) -> Case:
    """Put zeros into a case's padding, for whoever does not know that it is padding."""
    return replace(case, inputs=np.where(case.valid[..., None], case.inputs, 0).astype(case.dtype))


def without_padding(case: Case) -> Case:
    """Make every step of a case count."""
    return replace(zeros_in_padding(case), lengths=None, mask=None) if case.padded else case
