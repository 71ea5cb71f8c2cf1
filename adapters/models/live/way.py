"""Ways to ask a live model: how it is called, what it takes and what it shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

INITIAL_STATE, LENGTHS = "initial_state", "lengths"


@dataclass(frozen=True, eq=False)
class Way:
    """One way to ask a live model.

    name: the model, or a part of it, in words.
    call: gives the model a case's inputs, lengths and initial states, and returns what the model does as
    NumPy arrays: outputs first, then final states, h before c. Leaves the model as it was.
    facts: the declared errors of the model's framework, once it has been called.
    takes: those of INITIAL_STATE and LENGTHS that the model can be given.
    bare: whether what is asked is nothing but a recurrent layer.
    part: whether that is a part of a model, the rest of which is not run.
    remarks: lines to be known of what is asked.
    wider: makes a way to ask a copy in float64, or None where that cannot be done.
    reset: lets the model forget what it keeps from call to call.
    """

    name: str
    call: Callable[[Case], Sequence[Array]]
    facts: Callable[[], Facts]
    takes: frozenset[str] = frozenset()
    bare: bool = False
    part: bool = False
    remarks: tuple[str, ...] = ()
    wider: Callable[[], "Way | None"] = lambda: None
    reset: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))


def reset(model: Any) -> None:
    """Forget the state that a model keeps from call to call, where it has a method for that."""
    for name in ("reset_states", "reset_state", "reset"):
        method: Callable[[], None] | None = getattr(model, name, None)
        if callable(method):
            method()
            return


class WrongForm(Exception):
    """A live model's answers have not the form of a layer's answers. The message is one line."""


def final_states(case: Case, states: Sequence[Array]) -> list[Array]:
    """Final states as a Trace has them, from however many arrays a model returns.

    states: one array each of h and c, or as many of each as there are cells, cell by cell; any others are
    left as they are.
    """
    kinds, cells = len(case.start), case.layers * case.directions
    found = list(states)
    if cells > 1 and len(found) == kinds * cells and all(state.ndim == 2 for state in found):
        by_kind = [found[k::kinds] for k in range(kinds)]
        if all(len({state.shape for state in states}) == 1 for states in by_kind):
            found = [np.stack(states) for states in by_kind]
    if cells == 1:
        found = [state[0] if state.ndim == 3 and len(state) == 1 else state for state in found]
    return found
