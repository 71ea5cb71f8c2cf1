"""Mistakes with the inputs: other numbers than the given ones, or those of another place."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, rounded
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, zeros_in_padding
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.validation import Array


def inputs_as(change: Callable[[Array], Any]) -> Callable[[Case], Case]:
    """Make the change of a case's inputs, with zeros in its padding."""

    def changed(case: Case) -> Case:
        inputs = zeros_in_padding(case).inputs.astype(np.float64)
        return replace(case, inputs=np.asarray(change(inputs)).astype(case.dtype))

    return changed


def averaged(x: Array) -> Array:
    """Each step's input averaged with the one before; the first as it is."""
    return np.concatenate([x[:, :1], (x[:, 1:] + x[:, :-1]) / 2], axis=1)


def differences(x: Array) -> Array:
    """Each step's input less the one before; the first as it is."""
    return np.concatenate([x[:, :1], np.diff(x, axis=1)], axis=1)


INPUTS: dict[str, Mistake] = {
    "inputs_truncated": Mistake("the inputs are truncated to integers", change_case=inputs_as(np.trunc)),
    "inputs_rounded": Mistake("the inputs are rounded to integers", change_case=inputs_as(np.rint)),
    "inputs_floored": Mistake("the inputs are rounded down to integers", change_case=inputs_as(np.floor)),
    "inputs_without_sign": Mistake("the inputs lose their sign", change_case=inputs_as(np.abs)),
    "inputs_without_the_negative": Mistake(
        "negative inputs are taken for zero", change_case=inputs_as(lambda x: np.maximum(x, 0))
    ),
    "inputs_clipped_to_0_1": Mistake(
        "the inputs are clipped to 0 to 1", change_case=inputs_as(lambda x: np.clip(x, 0, 1))
    ),
    "inputs_averaged": Mistake(
        "each input is averaged with that of the step before", change_case=inputs_as(averaged)
    ),
    "inputs_differenced": Mistake(
        "each input is the difference from that of the step before", change_case=inputs_as(differences)
    ),
    "inputs_of_the_first_row_for_all": Mistake(
        "all rows have the first row's inputs",
        change_case=inputs_as(lambda x: np.broadcast_to(x[:1], x.shape)),
    ),
    "inputs_of_the_first_step_for_all": Mistake(
        "all steps have the first step's input",
        change_case=inputs_as(lambda x: np.broadcast_to(x[:, :1], x.shape)),
    ),
    "inputs_of_the_opposite_rows": Mistake(
        "the inputs of the batch's rows are in the opposite order", change_case=inputs_as(lambda x: x[::-1])
    ),
}
INPUTS |= {
    f"inputs_in_{name}": Mistake(
        f"the inputs are rounded to {name}",
        change_case=inputs_as(partial(rounded, bits=FORMATS[name].bits)),
    )
    for name in ("float16", "bfloat16")
}
