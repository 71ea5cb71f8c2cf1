"""Mistakes with subnormal numbers: zero is taken for them.

In float32 and float64 a backend may do so, and the bounds allow it. A half type is computed in float32, where
float16's subnormal numbers are like any other: there it is a mistake, and it shows beside large numbers.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.diagnosis.mistakes.mistake import CELL_STATE, GATED, STATE, Mistake, with_states
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights


def flushed(case: Case, array: Any) -> Any:
    """The array, of any arithmetic, with zeros for the subnormal numbers of a case's dtype."""
    value = np.asarray(array.value if isinstance(array, ErrorArray) else array, np.float64)
    small = np.abs(value) < Arithmetic(case.dtype).smallest_normal
    return array + np.where(small, -value, 0.0)


def weights_flushed(case: Case, w: Weights) -> Weights:
    return Weights(*(None if array is None else flushed(case, array).astype(case.dtype) for array in w))


def inputs_flushed(case: Case) -> Case:
    """Take zero for subnormal numbers among the inputs and the initial states."""
    own = (getattr(case, name) for name in (STATE, CELL_STATE))
    states = (None if state is None else flushed(case, state).astype(case.dtype) for state in own)
    return with_states(replace(case, inputs=flushed(case, case.inputs).astype(case.dtype)), *states)


def step_flushed(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step and store zero for subnormal numbers of the new state."""
    return tuple(flushed(case, new) for new in case.step(x_t, state, weights))


SUBNORMAL: dict[str, Mistake] = {
    # A simple RNN's state is a sum, whose own rounding hides it.
    "subnormal_states": Mistake(
        "zero is stored for subnormal numbers of the state", cells=GATED, step=step_flushed
    ),
    "subnormal_weights_and_inputs": Mistake(
        "weights, inputs and initial states that are subnormal numbers are taken for zero",
        weights_flushed,
        change_case=inputs_flushed,
    ),
    "subnormal_numbers": Mistake(
        "all subnormal numbers are taken for zero",
        weights_flushed,
        change_case=inputs_flushed,
        step=step_flushed,
    ),
}
