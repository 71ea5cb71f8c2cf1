"""What a live model is: something that can be asked, with what it takes and what it shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

INITIAL_STATE, LENGTHS = "initial_state", "lengths"


@dataclass(frozen=True, eq=False)
class Live:
    """One way to ask a live model.

    name: what is asked, in words.
    call: from a case, of which it uses inputs, lengths and initial states, to what the model returns:
    NumPy arrays, the outputs first, then final states, h before c. It leaves the model as it was.
    facts: what is known of the model's framework, once it has been called.
    takes: INITIAL_STATE and LENGTHS, or those of them that the model can be given.
    layer: its weights and options, where they can be read.
    bare: it is nothing but this layer.
    wider: makes a copy of it in float64, where that can be done.
    """

    name: str
    call: Callable[[Case], Sequence[Array]]
    facts: Callable[[], Facts]
    takes: frozenset[str] = frozenset()
    layer: RecurrentLayer | None = None
    bare: bool = False
    wider: Callable[[], "Live | None"] = lambda: None


class Misfit(Exception):
    """What a live model answers has not the form of its source's answers. The message is one line."""


def joined(case: Case, states: Sequence[Array]) -> list[Array]:
    """Final states as a Trace has them, from however many arrays a model returns.

    One array of each kind, h and c, or as many of each as there are cells, cell by cell; where neither
    can be, they are left as they are.
    """
    kinds, cells = len(case.start), case.layers * case.directions
    found = list(states)
    if cells > 1 and len(found) == kinds * cells and all(state.ndim == 2 for state in found):
        shapes = {state.shape for state in found}
        if len(shapes) == 1:
            found = [np.stack(found[k::kinds]) for k in range(kinds)]
    if cells == 1:
        found = [state[0] if state.ndim == 3 and len(state) == 1 else state for state in found]
    return found
