"""The whole answer to a case, and how far from it any correct backend may be.

Unlike the check, which goes on from what a backend shows at every step, this needs no backend: the state
is carried through all steps and layers with its error. That error grows, so it says something of short
sequences and of weights that let errors fade, and less and less of others.
"""

from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.gradients import counted, forward
from rnn_lockstep.reference.oracle.stack import merge

NAMES = ("final_state", "final_cell_state")


def trajectory(case: Case, arithmetic: Arithmetic) -> dict[str, Rounded]:
    """outputs, final_state and, of an LSTM, final_cell_state, in the shapes of a `Trace`.

    What a correct backend with this arithmetic answers lies within each one's error.
    """
    with np.errstate(all="ignore"):
        layers = forward(lambda array: Rounded(array, arithmetic), case)
        if case.return_sequences:
            outputs: Any = counted(case, merge(case, [walk.outputs for walk in layers[-1]]))
        else:
            last = merge(case, [walk.final[0] for walk in layers[-1]])
            outputs = np.where(case.valid.any(axis=1, keepdims=True), last, 0)
        cells = [walk.final for layer in layers for walk in layer]
        finals: list[Any] = [np.concatenate(parts, axis=0) for parts in zip(*cells, strict=True)]
        states = [final.reshape(*case.state_shape) for final in finals]
        return {"outputs": outputs.closed()} | {
            name: state.closed() for name, state in zip(NAMES, states, strict=False)
        }
