"""The check: is every step of a trace what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from reference.case import Case, Trace
from reference.cells import simple_rnn_cell
from reference.rounding import Arithmetic, Rounded
from reference.validation import Array
from reference.verdict import Verdict

# A bound wider than this share of the state's range proves nothing. tanh ranges over (-1, 1); relu is
# unbounded and its error relative to the terms of its sum, so there only overflow is inconclusive.
VACUOUS = {"tanh": 2e-3, "relu": np.inf}
BLOCK = 32_768  # elements judged at a time, few enough to stay in the processor's cache


def check(case: Case, trace: Trace, tanh_ulps: float) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    tanh_ulps: the worst error of the backend's tanh in the case's dtype, in units in the last place.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    wrong_form = _wrong_form(case, trace)
    if wrong_form:
        nothing = np.zeros((0, 0, 0))
        return Verdict(case, "mismatch", wrong_form, nothing, nothing, nothing)
    arithmetic = Arithmetic(case.dtype, tanh_ulps)
    expected, bound = np.empty(trace.outputs.shape), np.empty(trace.outputs.shape)
    steps = max(1, BLOCK // max(1, case.batch * case.hidden_size))
    with np.errstate(all="ignore"):
        for start in range(0, case.time, steps):
            stop = min(start + steps, case.time)
            expected[:, start:stop], bound[:, start:stop] = predict(case, trace, start, stop, arithmetic)
    return _verdict(case, trace, expected, bound)


def predict(case: Case, trace: Trace, start: int, stop: int, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """Steps `start` to `stop`, each from the backend's own previous state: values and bounds.

    The bound is infinite where nothing is known: the sum, or one before it, may have overflowed.
    """
    first = case.h0[:, None] if start == 0 else trace.outputs[:, start - 1 : start]
    previous = np.concatenate([first, trace.outputs[:, start : stop - 1]], axis=1)
    x_t = Rounded(case.inputs[:, start:stop].reshape(-1, case.input_size), arithmetic)
    h = Rounded(previous.reshape(-1, case.hidden_size), arithmetic)
    W, U, b = (Rounded(array, arithmetic) for array in (case.W, case.U, case.b))
    step = simple_rnn_cell(x_t, h, W, U, b, case.activation)
    step.error[~np.isfinite(step.value)] = np.inf
    return step.value.reshape(previous.shape), step.error.reshape(previous.shape)


def _wrong_form(case: Case, trace: Any) -> str:
    """What is wrong with the trace's types, shapes or dtypes, in one line; empty when nothing is."""
    if not isinstance(trace, Trace):
        return f"the backend returned {type(trace).__name__}, needs a Trace"
    shapes = {
        "outputs": (case.batch, case.time, case.hidden_size),
        "final_state": (case.batch, case.hidden_size),
    }
    for name, shape in shapes.items():
        array = getattr(trace, name)
        if not isinstance(array, np.ndarray):
            return f"{name} is a {type(array).__name__}, needs a NumPy array"
        if array.shape != shape:
            return f"{name} has shape {array.shape}, needs {shape}"
        if array.dtype != case.dtype:
            return f"{name} has dtype {array.dtype}, needs {case.dtype}"
    return ""


def _verdict(case: Case, trace: Trace, expected: Array, bound: Array) -> Verdict:
    """The verdict on a trace of the right form, its steps predicted."""
    verdict = Verdict(case, "match", "", trace.outputs, expected, bound)
    vacuous = np.count_nonzero(bound >= VACUOUS[case.activation])
    wrong_final_state = _wrong_final_state(case, trace)
    if not trace.final_state.size:
        return replace(verdict, status="inconclusive", reason="the case is empty: nothing to compare")
    if verdict.first is not None:
        return replace(verdict, status="mismatch", reason=_where(verdict))
    if wrong_final_state:
        return replace(verdict, status="mismatch", reason=wrong_final_state)
    if vacuous:
        reason = f"{vacuous} of {bound.size} bounds are too wide to prove anything"
        return replace(verdict, status="inconclusive", reason=reason)
    return verdict


def _where(verdict: Verdict) -> str:
    """Where the wrong elements lie, in one line: when it starts, which rows and which units."""
    batch, _, hidden_size = verdict.outside.shape
    start = int(verdict.outside.any(axis=(0, 2)).argmax())
    parts = ["wrong from the first step" if start == 0 else f"right before step {start}, wrong there"]
    for axes, name, size in (((1, 2), "batch rows", batch), ((0, 1), "units", hidden_size)):
        wrong = np.flatnonzero(verdict.outside.any(axis=axes))
        if len(wrong) < size:
            shown = ", ".join(str(i) for i in wrong[:8]) + (", ..." if len(wrong) > 8 else "")
            parts.append(f"only {name} {shown} (of {size})")
    return "; ".join(parts)


def _wrong_final_state(case: Case, trace: Trace) -> str:
    """How the final state differs from the last output (or the initial state, when time is 0), if it does."""
    last = trace.outputs[:, -1] if case.time else case.h0
    if np.array_equal(trace.final_state, last, equal_nan=True):  # NaN: after an overflow
        return ""
    need = "the last output" if case.time else "the initial state"
    for t in range(case.time - 1):
        if np.array_equal(trace.final_state, trace.outputs[:, t]):
            return f"final_state is outputs[:, {t}], needs {need}"
    batch, unit = np.argwhere(~(trace.final_state == last))[0]
    return (
        f"final_state is not {need}: at batch {batch}, unit {unit} it is "
        f"{trace.final_state[batch, unit]:.9g}, needs {last[batch, unit]:.9g}"
    )
