"""The whole answer's error holds every backend's answer, and is sharp where errors fade."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case, load
from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.answers import whole_answer
from rnn_lockstep.tests.harness.drawing.strategies import cases, fewer


def unmeasured(dtype):
    """The arithmetic of a backend that nobody has measured."""
    return Arithmetic(np.dtype(dtype))


def deviations(case):
    """The error of NumPy's own answer, and the error it may have, by array."""
    trace, whole = run(load("numpy"), case).arrays(), whole_answer(case, unmeasured(case.dtype.name))
    assert set(whole) == {name for name in trace if not name.startswith("hidden")}
    for name, expected in whole.items():
        assert trace[name].shape == expected.value.shape == expected.error.shape
        yield np.abs(trace[name].astype(np.float64) - expected.value), expected.error


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm"])
@fewer(2)
@given(data=st.data())
def test_answers_lie_within_it(cell, data):
    half = cases(cell, "half", dtypes=("float16", "bfloat16"))
    stacked = cases(cell, "stacked", variants="stacked", masked=True)
    padded = cases(cell, "several steps", padded=True, backwards=True)
    case = data.draw(half | stacked | padded | cases(cell, "empty and single"))
    outputs = whole_answer(case, unmeasured(case.dtype.name))["outputs"]
    padding = ~(case.valid if case.return_sequences else case.valid.any(axis=1))
    assert not outputs.value[padding].any()
    assert not outputs.error[padding].any()  # exactly zero there
    with np.errstate(all="ignore"):
        for deviation, error in deviations(case):
            assert ((deviation <= error) | np.isinf(error)).all()


def test_it_is_sharp_where_errors_fade_and_sees_a_wrong_weight():
    rng = np.random.default_rng(0)
    arrays = (rng.normal(size=(2, 50, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 4)) / 8, np.ones(4))
    case = Case(*(array.astype(np.float32) for array in arrays))
    assert max(error.max() for _, error in deviations(case)) < 1e-5
    wrong = Case(case.inputs, case.W, case.U.T, case.b)
    expected = whole_answer(case, unmeasured("float32"))["outputs"]
    assert (np.abs(run(load("numpy"), wrong).outputs - expected.value) > expected.error).any()
