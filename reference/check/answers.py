"""The check: is every step of a trace what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.prediction import predict
from rnn_lockstep.reference.check.reasons import reason
from rnn_lockstep.reference.check.verdict import Verdict
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import described


def check(
    case: Case,
    trace: Trace,
    tanh_ulps: float,
    sigmoid_ulps: float = 0.0,
    *,
    unobserved: Collection[str] = (),
    function_error: float = 0.0,
) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    tanh_ulps, sigmoid_ulps: the worst errors of the backend's functions in the case's dtype, in units in
    the last place.  function_error: what they may be off by beside that, whatever their value is.
    unobserved: final states that the trace does not have, "final_state" and "final_cell_state" or the
    latter alone. They are not compared: the verdict says nothing about them.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    if wrong := _wrong_form(case, trace, unobserved):
        return Verdict(case, "mismatch", wrong)
    with np.errstate(all="ignore"):
        arithmetic = Arithmetic(case.dtype, tanh_ulps, sigmoid_ulps, function_error)
        comparisons = tuple(predict(case, trace, arithmetic))
    for k, comparison in enumerate(comparisons):
        if comparison.outside.any():
            return Verdict(case, "mismatch", reason(case, comparisons[: k + 1]), comparisons)
    if not any(comparison.observed.size for comparison in comparisons):
        return Verdict(case, "inconclusive", "the case is empty: nothing to compare", comparisons)
    if vacuous := sum(comparison.vacuous for comparison in comparisons):
        elements = sum(comparison.bound.size for comparison in comparisons if not comparison.copy)
        wide = f"{vacuous} of {elements} bounds are too wide to prove anything"
        return Verdict(case, "inconclusive", wide, comparisons)
    return Verdict(case, "match", "", comparisons)


def _wrong_form(case: Case, trace: Any, unobserved: Collection[str]) -> str:
    """What is wrong with the trace's types, shapes or dtypes, in one line; empty when nothing is."""
    if not isinstance(trace, Trace):
        return f"the backend returned {type(trace).__name__}, needs a Trace"
    steps = (case.time,) if case.return_sequences else ()
    shapes = {"outputs": (case.batch, *steps, case.features), "final_state": case.state_shape}
    if case.cell == "lstm":
        shapes["final_cell_state"] = case.state_shape
    elif trace.final_cell_state is not None:
        return f"final_cell_state is {described(trace.final_cell_state)}, needs None: only an LSTM has one"
    if not isinstance(trace.hidden_outputs, tuple):
        return f"hidden_outputs is a {type(trace.hidden_outputs).__name__}, needs a tuple of arrays"
    hidden = len(trace.hidden_outputs)
    if hidden not in (0, case.layers - 1):
        return f"hidden_outputs has {hidden} arrays, needs {case.layers - 1}, one for each layer but the last"
    shapes |= {f"hidden_outputs[{k}]": (case.batch, case.time, case.features) for k in range(hidden)}
    arrays = trace.arrays()
    for name, shape in shapes.items():
        array = arrays.get(name)
        if name in unobserved and array is None:
            continue
        if not isinstance(array, np.ndarray):
            return f"{name} is a {type(array).__name__}, needs a NumPy array"
        if array.shape != shape:
            return f"{name} has shape {array.shape}, needs {shape}{_seen_before(array.shape, shape)}"
        if array.dtype != case.dtype:
            return f"{name} has dtype {array.dtype}, needs {case.dtype}"
    return ""


def _seen_before(shape: tuple[int, ...], needed: tuple[int, ...]) -> str:
    """A hint where a wrong shape is one that layers are known to return."""
    seen = {
        (needed[1], needed[0], *needed[2:]): "the first two axes are swapped",
        (needed[0], needed[-1]): "the last output only",
        (*needed[:-1], 2 * needed[-1]): "two directions side by side",
        (1, *needed): "an axis too many",
        needed[1:]: "the first axis is missing",
    }
    return f": {seen[shape]}" if shape in seen else ""
