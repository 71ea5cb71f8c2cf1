"""The check of an answer, step by step: its verdicts, and its words for what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Arithmetic, Case, Comparison, Trace, check
from tests.unit.reference.arithmetics import of_numpy


def make_case(dtype="float32", batch=3, time=6, input_size=2, hidden_size=5, scale=0.6, activation="tanh"):
    """A simple RNN's case of random numbers with an initial state."""
    rng = np.random.default_rng(0)
    shapes = [
        (batch, time, input_size),
        (hidden_size, input_size),
        (hidden_size, hidden_size),
        (hidden_size,),
        (batch, hidden_size),
    ]
    return Case(*((rng.normal(size=s) * scale).astype(dtype) for s in shapes), activation)


def right(case):
    """The answer of a correct backend."""
    return NumpyAdapter().run(case)


def judged(case, trace):
    """The verdict on a trace, in the arithmetic of NumPy."""
    return check(case, trace, of_numpy(case))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("scale", [0.01, 0.6, 3.0])
def test_right_answers_match(dtype, activation, scale):
    case = make_case(dtype, scale=scale, activation=activation)
    verdict = judged(case, right(case))
    assert verdict.status == "match"
    assert verdict.reason == ""
    assert verdict.first is None
    assert not any(comparison.outside.any() for comparison in verdict.comparisons)
    assert 0 <= verdict.ratio <= 1


def test_the_first_wrong_step_is_named_though_later_ones_follow_from_it():
    """One element is off at step 2; all that follows is computed from it, correctly."""
    case = make_case()
    trace = right(case)
    nudged = trace.outputs[1, 2].copy()
    nudged[3] += 1e-5
    tail = right(replace(case, inputs=case.inputs[1:2, 3:], initial_state=nudged[None]))
    trace.outputs[1, 2] = nudged
    trace.outputs[1, 3:] = tail.outputs[0]
    verdict = judged(case, Trace(trace.outputs, trace.outputs[:, -1].copy()))
    assert verdict.status == "mismatch"
    assert (verdict.first.batch, verdict.first.time, verdict.first.unit) == (1, 2, 3)
    assert verdict.comparisons[0].outside.sum() == 1
    assert verdict.first.deviation == pytest.approx(1e-5, rel=0.05)
    assert verdict.reason == "right before step 2, wrong there; only batch rows 1 (of 3); only units 3 (of 5)"
    assert "batch 1, time 2, unit 3" in str(verdict)


def test_the_check_is_as_sharp_late_as_early():
    """The same small error stands out at step 900 of a chaotic sequence."""
    case = make_case(batch=1, time=1000, hidden_size=16, scale=1.0)
    for step in (3, 900):
        trace = right(case)
        trace.outputs[0, step:] = right(
            replace(
                case,
                inputs=case.inputs[:, step:],
                initial_state=trace.outputs[:, step - 1] + np.float32(1e-4),
            )
        ).outputs[0]
        verdict = judged(case, Trace(trace.outputs, trace.outputs[:, -1].copy()))
        assert verdict.first.time == step


def test_the_initial_state_is_checked():
    case = make_case()
    verdict = judged(case, right(replace(case, initial_state=None)))
    assert verdict.status == "mismatch"
    assert verdict.reason == "wrong from the first step"
    assert set(np.argwhere(verdict.comparisons[0].outside)[:, 1]) == {0}


def test_the_final_state_must_be_the_last_output():
    case = make_case()
    outputs = right(case).outputs
    verdict = judged(case, Trace(outputs, outputs[:, 2].copy()))
    assert verdict.status == "mismatch"
    assert verdict.reason == "final_state is outputs[:, 2], needs the last output"
    verdict = judged(case, Trace(outputs, outputs[:, -1] + np.float32(1e-7)))
    assert verdict.status == "mismatch"
    assert verdict.reason.startswith("final_state is not the last output: at batch 0, unit 0")


def test_a_final_state_that_is_computed_twice_may_be_rounded_twice():
    """Two roundings of the last step are allowed for, where that is declared; another step is another one."""
    case = make_case()
    outputs = right(case).outputs
    arithmetic = Arithmetic(case.dtype, recomputes=True)
    apart = Trace(outputs, outputs[:, -1] + np.float32(1e-7))
    assert check(case, apart, arithmetic).status == "match"
    verdict = check(case, Trace(outputs, outputs[:, 2].copy()), arithmetic)
    assert verdict.reason == "final_state is outputs[:, 2], needs the last output"
    empty = make_case(time=0)
    off = Trace(np.zeros((3, 0, 5), np.float32), np.nextafter(empty.h0, np.float32(2)))
    assert check(empty, off, arithmetic).status == "mismatch"


def test_without_steps_the_final_state_must_be_the_initial_state():
    case = make_case(time=0)
    nothing = np.zeros((3, 0, 5), np.float32)
    assert judged(case, Trace(nothing, case.h0.copy())).status == "match"
    verdict = judged(case, Trace(nothing, 0 * case.h0))
    assert verdict.status == "mismatch"
    assert "needs the initial state" in verdict.reason or "not the initial state" in verdict.reason


def test_a_step_that_overflows_as_expected_can_be_shown():
    """The unit in the last place of infinity is unknown, which is no reason to warn."""
    infinite = np.full((1, 1, 1), np.inf, np.float32)
    compared = Comparison("", infinite, infinite.astype(np.float64), infinite.astype(np.float64))
    assert compared.ratio == 0
    assert "observed inf, expected inf" in str(compared.worst)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_mismatches(value):
    case = make_case()
    trace = right(case)
    trace.outputs[2, 4, 1] = value
    verdict = judged(case, trace)
    assert verdict.status == "mismatch"
    assert (verdict.first.batch, verdict.first.time, verdict.first.unit) == (2, 4, 1)
    assert verdict.ratio == np.inf
    assert str(verdict)


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        (None, "the backend returned NoneType, needs a Trace"),
        (lambda o, f: (o, f), "the backend returned tuple, needs a Trace"),
        (lambda o, f: Trace(o.tolist(), f), "outputs is a list, needs a NumPy array"),
        (lambda o, f: Trace(o[:, -1], f), r"outputs has shape (3, 5), needs (3, 6, 5): the last output only"),
        (
            lambda o, f: Trace(o.swapaxes(0, 1), f),
            r"outputs has shape (6, 3, 5), needs (3, 6, 5): the first two axes are swapped",
        ),
        (
            lambda o, f: Trace(o[0], f),
            r"outputs has shape (6, 5), needs (3, 6, 5): the first axis is missing",
        ),
        (lambda o, f: Trace(o[:, :5], f), r"outputs has shape (3, 5, 5), needs (3, 6, 5)"),
        (lambda o, f: Trace(o, f[None]), r"final_state has shape (1, 3, 5), needs (3, 5): an axis too many"),
        (lambda o, f: Trace(o.astype(np.float64), f), "outputs has dtype float64, needs float32"),
    ],
)
def test_answers_of_the_wrong_form_are_mismatches(trace, reason):
    case = make_case()
    answer = right(case)
    verdict = judged(case, trace and trace(answer.outputs, answer.final_state))
    assert verdict.status == "mismatch"
    assert verdict.reason == reason
    assert reason in str(verdict)


def test_bounds_too_wide_to_prove_anything_are_inconclusive():
    """Huge terms that cancel: a correct float32 sum may be anything between -1 and 1 after tanh."""
    case = make_case(input_size=2, hidden_size=1, time=1, batch=1)
    case = replace(case, inputs=np.full((1, 1, 2), 1e20, "f"), W=np.array([[1, -1]], "f"))
    verdict = judged(case, right(case))
    assert verdict.status == "inconclusive"
    assert verdict.reason == "1 of 1 bounds are too wide to prove anything"


def test_overflow_is_inconclusive_and_hides_nothing_before_it():
    case = make_case(activation="relu", time=20, batch=1)
    case = replace(case, U=np.full((5, 5), 1e4, "f"))
    with np.errstate(over="ignore"):
        trace = right(case)
    assert not np.isfinite(trace.outputs).all()
    assert judged(case, trace).status == "inconclusive"
    trace.outputs[0, 3, 0] *= np.float32(1.001)
    assert judged(case, trace).status == "mismatch"


def test_an_empty_batch_has_nothing_to_compare():
    case = make_case(batch=0)
    verdict = judged(case, right(case))
    assert verdict.status == "inconclusive"
    assert "nothing to compare" in verdict.reason
    assert verdict.ratio == 0.0


def test_more_steps_than_one_block():
    """The check works through long cases in blocks; every block is judged."""
    case = make_case(batch=4, time=1500, hidden_size=5)
    trace = right(case)
    assert judged(case, trace).status == "match"
    trace.outputs[3, 1498, 4] += np.float32(1e-3)
    assert (judged(case, trace).first.batch, judged(case, trace).first.time) == (3, 1498)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"inputs": np.zeros((4, 2), "f"), "initial_state": None},
            r"inputs has shape \(4, 2\), needs \(batch, time",
        ),
        ({"U": np.zeros((5, 5))}, "U has dtype float64, needs float32 like inputs"),
        ({"W": np.zeros((5, 2), int)}, "W has dtype int64, needs float64 or float32 or float16 or bfloat16"),
        ({"b": np.full(5, np.nan, "f")}, "b must be finite"),
    ],
)
def test_a_case_says_what_does_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(make_case(), **changed)


def lstm(dtype="float32", **options):
    """An LSTM of random numbers."""
    rng = np.random.default_rng(1)
    shapes = [(3, 6, 2), (20, 2), (20, 5), (20,)]
    arrays = ((rng.normal(size=shape) * 0.6).astype(dtype) for shape in shapes)
    return Case(*arrays, cell="lstm", **options)


@pytest.mark.parametrize("whole", [True, False])
def test_final_states_that_are_not_observed_are_left_out_where_that_is_said(whole):
    case = lstm(return_sequences=whole)
    trace = replace(right(case), final_state=None, final_cell_state=None)
    assert judged(case, trace).reason == "final_state is a NoneType, needs a NumPy array"
    names = ["final_state", "final_cell_state"]
    verdict = check(case, trace, of_numpy(case), unobserved=names)
    assert verdict.status == "match"
    assert [comparison.name for comparison in verdict.comparisons] == ["" if whole else "outputs"]
    wrong = replace(trace, outputs=trace.outputs + np.float32(1e-5))
    assert check(case, wrong, of_numpy(case), unobserved=names).status == "mismatch"


def test_a_final_state_is_compared_where_the_cell_state_alone_is_not_observed():
    case = lstm()
    trace = replace(right(case), final_cell_state=None)
    assert check(case, trace, of_numpy(case), unobserved=["final_cell_state"]).status == "match"
    wrong = replace(trace, final_state=trace.outputs[:, 0])
    assert check(case, wrong, of_numpy(case), unobserved=["final_cell_state"]).status == "mismatch"
