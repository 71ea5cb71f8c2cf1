"""The check: is every step of a trace what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from typing import Any

import numpy as np

from reference.case import Case, Trace
from reference.cells import simple_rnn_cell
from reference.rounding import Arithmetic, Rounded
from reference.validation import Array
from reference.verdict import Step, Verdict

# A bound wider than this share of the state's range proves nothing. tanh ranges over (-1, 1); relu is
# unbounded and its error relative to the terms of its sum, so there only overflow is inconclusive.
VACUOUS = {"tanh": 2e-3, "relu": np.inf}
BLOCK = 16_384  # elements


def check(case: Case, trace: Trace, tanh_ulps: float) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    tanh_ulps: the worst error of the backend's tanh in the case's dtype, in units in the last place.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    wrong_form = _wrong_form(case, trace)
    if wrong_form:
        nothing = np.zeros((0,))
        return Verdict(case, "mismatch", wrong_form, nothing, nothing)
    with np.errstate(all="ignore"):
        expected, bound = predict(case, trace, Arithmetic(case.dtype, tanh_ulps))
        deviation = np.abs(trace.outputs - expected)
        deviation[np.isnan(deviation)] = np.inf
        deviation[np.isinf(bound)] = 0.0
        return _judge(case, trace, expected, deviation, bound)


def predict(case: Case, trace: Trace, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """Every step from the backend's own previous state: its value and its bound, (batch, time, H)."""
    W, U, b = (Rounded(array, arithmetic) for array in (case.W, case.U, case.b))
    inputs = case.inputs.reshape(-1, case.input_size)
    previous = np.concatenate([case.h0[:, None], trace.outputs[:, :-1]], axis=1)[:, : case.time]
    previous = previous.reshape(-1, case.hidden_size)
    value, bound = np.empty(previous.shape), np.empty(previous.shape)
    rows = max(1, BLOCK // case.hidden_size)
    for start in range(0, len(previous), rows):  # in blocks that stay in the processor's cache
        block = slice(start, start + rows)
        x_t, h = Rounded(inputs[block], arithmetic), Rounded(previous[block], arithmetic)
        step = simple_rnn_cell(x_t, h, W, U, b, case.activation)
        value[block], bound[block] = step.value, step.error
    # Where the previous state is not finite nothing is known; the step that made it so is judged.
    bound[~np.isfinite(value)] = np.inf
    return value.reshape(trace.outputs.shape), bound.reshape(trace.outputs.shape)


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


def _judge(case: Case, trace: Trace, expected: Array, deviation: Array, bound: Array) -> Verdict:
    """The verdict on elementwise deviations and bounds."""
    if not trace.final_state.size:
        return Verdict(case, "inconclusive", "the case is empty: nothing to compare", deviation, bound)

    def step(index: tuple[Any, ...]) -> Step:
        ulp = Arithmetic(case.dtype, 0).ulp(expected[index])
        batch, time, unit = (int(i) for i in index)
        observed, wanted, off, allowed = (
            float(array[index]) for array in (trace.outputs, expected, deviation, bound)
        )
        return Step(batch, time, unit, observed, wanted, off, allowed, float(ulp))

    worst = first = None
    if deviation.size:
        ratio = np.divide(deviation, bound, out=np.where(deviation > 0, np.inf, 0.0), where=bound > 0)
        worst = step(np.unravel_index(np.argmax(ratio), ratio.shape))
    outside = np.argwhere(deviation > bound)
    vacuous = np.count_nonzero(bound >= VACUOUS[case.activation])
    status, reason = "match", _wrong_final_state(case, trace)
    if len(outside):
        first = step(tuple(outside[np.argmin(outside[:, 1])]))
        status, reason = "mismatch", _where(first.time, outside, case)
    elif reason:
        status = "mismatch"
    elif vacuous:
        status, reason = "inconclusive", f"{vacuous} of {bound.size} bounds are too wide to prove anything"
    return Verdict(case, status, reason, deviation, bound, worst, first)


def _where(start: int, outside: Array, case: Case) -> str:
    """Where the wrong elements lie, in one line: when it starts, which rows and which units."""
    parts = ["wrong from the first step" if start == 0 else f"right before step {start}, wrong there"]
    for axis, name, size in ((0, "batch rows", case.batch), (2, "units", case.hidden_size)):
        wrong = np.unique(outside[:, axis])
        if len(wrong) < size:
            shown = ", ".join(str(i) for i in wrong[:8]) + (", ..." if len(wrong) > 8 else "")
            parts.append(f"only {name} {shown} of {size}")
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
