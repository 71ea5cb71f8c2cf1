"""The check: is every step of a trace what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from reference.case import Case, Trace
from reference.prediction import predict
from reference.rounding import Arithmetic, Rounded
from reference.verdict import Verdict

# A bound wider than this share of the state's range proves nothing. tanh ranges over (-1, 1), and so
# do GRU and LSTM; relu is unbounded and its error relative to its terms: only overflow is inconclusive.
VACUOUS = {"tanh": 2e-3, "relu": np.inf}


def check(case: Case, trace: Trace, tanh_ulps: float, sigmoid_ulps: float = 0.0) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    tanh_ulps, sigmoid_ulps: the worst errors of the backend's functions in the case's dtype, in units in
    the last place.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    wrong_form = _wrong_form(case, trace)
    if wrong_form:
        nothing = np.zeros((0, 0, 0))
        return Verdict(case, "mismatch", wrong_form, nothing, nothing, nothing)
    with np.errstate(all="ignore"):
        expected, bound, cell_state = predict(case, trace, Arithmetic(case.dtype, tanh_ulps, sigmoid_ulps))
    verdict = Verdict(case, "match", "", trace.outputs, expected, bound)
    if not trace.final_state.size:
        return replace(verdict, status="inconclusive", reason="the case is empty: nothing to compare")
    if verdict.first is not None:
        return replace(verdict, status="mismatch", reason=_where(verdict))
    if wrong := _wrong_final_state(case, trace) or _wrong_cell_state(trace, cell_state):
        return replace(verdict, status="mismatch", reason=wrong)
    if vacuous := np.count_nonzero(bound >= VACUOUS[case.activation]):
        reason = f"{vacuous} of {bound.size} bounds are too wide to prove anything"
        return replace(verdict, status="inconclusive", reason=reason)
    return verdict


def _wrong_form(case: Case, trace: Any) -> str:
    """What is wrong with the trace's types, shapes or dtypes, in one line; empty when nothing is."""
    if not isinstance(trace, Trace):
        return f"the backend returned {type(trace).__name__}, needs a Trace"
    shapes = {
        "outputs": (case.batch, case.time, case.hidden_size),
        "final_state": (case.batch, case.hidden_size),
    }
    if case.cell == "lstm":
        shapes["final_cell_state"] = shapes["final_state"]
    for name, shape in shapes.items():
        array = getattr(trace, name)
        if not isinstance(array, np.ndarray):
            return f"{name} is a {type(array).__name__}, needs a NumPy array"
        if array.shape != shape:
            return f"{name} has shape {array.shape}, needs {shape}"
        if array.dtype != case.dtype:
            return f"{name} has dtype {array.dtype}, needs {case.dtype}"
    return ""


def _where(verdict: Verdict) -> str:
    """Where the wrong elements lie, in one line: when it starts, which rows and which units."""
    batch, _, hidden_size = verdict.outside.shape
    start = verdict.first.time if verdict.first else 0
    if verdict.case.reverse:
        parts = [f"right after step {start}, wrong there (steps run backwards)"]
    else:
        parts = ["wrong from the first step" if start == 0 else f"right before step {start}, wrong there"]
    for axes, name, size in (((1, 2), "batch rows", batch), ((0, 1), "units", hidden_size)):
        wrong = np.flatnonzero(verdict.outside.any(axis=axes))
        if len(wrong) < size:
            shown = ", ".join(str(i) for i in wrong[:8]) + (", ..." if len(wrong) > 8 else "")
            parts.append(f"only {name} {shown} (of {size})")
    return "; ".join(parts)


def _wrong_final_state(case: Case, trace: Trace) -> str:
    """How the final state differs from the output of the last step that counts, if it does."""
    states = np.concatenate([case.h0[:, None], trace.outputs], axis=1)
    steps = case.valid.sum(axis=1)
    last = states[np.arange(case.batch), np.minimum(steps, 1) if case.reverse else steps]
    if np.array_equal(trace.final_state, last, equal_nan=True):  # NaN: after an overflow
        return ""
    for t in range(-1, case.time):
        if np.array_equal(trace.final_state, states[:, t + 1]):
            found = "the initial state" if t < 0 else f"outputs[:, {t}]"
            return f"final_state is {found}, needs {_last(case)}"
    batch, unit = np.argwhere(~(trace.final_state == last))[0]
    return (
        f"final_state is not {_last(case)}: at batch {batch}, unit {unit} it is "
        f"{trace.final_state[batch, unit]:.9g}, needs {last[batch, unit]:.9g}"
    )


def _last(case: Case) -> str:
    """What the final state must be."""
    if case.reverse and case.time:
        return "outputs[:, 0], the last step of a reverse layer"
    if case.lengths is not None:
        return "each row's output at its length - 1"
    return "the last output" if case.time else "the initial state"


def _wrong_cell_state(trace: Trace, expected: Rounded | None) -> str:
    """How the final cell state of an LSTM differs from the one its steps lead to, if it does."""
    if expected is None or trace.final_cell_state is None:
        return ""
    with np.errstate(invalid="ignore"):
        off = np.abs(trace.final_cell_state - expected.value)
    wrong = np.argwhere(~(off <= expected.error) & np.isfinite(expected.value))
    if not len(wrong):
        return ""
    batch, unit = (int(i) for i in wrong[0])
    if np.array_equal(trace.final_cell_state, trace.final_state):
        return "final_cell_state is the final state h, needs the cell state c"
    return (
        f"final_cell_state is wrong though every step is right: at batch {batch}, unit {unit} it is "
        f"{trace.final_cell_state[batch, unit]:.9g}, needs {expected.value[batch, unit]:.9g}"
    )
