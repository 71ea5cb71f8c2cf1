"""A limit of time: evaluations give up between steps, a diagnosis tells what it found until then."""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.reference import Arithmetic, Cotangents, check, check_gradients
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose, diagnose_gradients
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES, possible
from rnn_lockstep.reference.diagnosis.recover_gradients import GradientAnswer
from rnn_lockstep.reference.diagnosis.recover_weights import differences, weights_in_effect
from rnn_lockstep.reference.oracle import time_limit
from rnn_lockstep.reference.oracle.gradients import gradients
from tests.unit.reference.test_diagnosis import GRU, SMALL, answered, drawn


@pytest.fixture
def clock(monkeypatch):
    """A clock that is a second later whenever somebody looks at it."""
    monkeypatch.setattr(time_limit.time, "monotonic", itertools.count(100.0).__next__)


def test_what_is_left_is_of_the_limit_that_ends_first(clock):
    assert time_limit.time_left() == math.inf
    with time_limit.time_limit(10):
        with time_limit.time_limit(20):
            assert time_limit.time_left() < 10
        with time_limit.time_limit(1), pytest.raises(time_limit.TimeIsUp, match=r"^1 s were over$"):
            time_limit.need_time()
        time_limit.need_time()
    assert time_limit.time_left() == math.inf


@pytest.mark.parametrize("like", [SMALL, GRU])
def test_every_evaluation_gives_up(like, clock):
    case = drawn(like)
    trace, arithmetic = answered(case), Arithmetic(case.dtype)
    loss = Cotangents(outputs=np.ones_like(trace.outputs))
    own = gradients(case, loss)
    for evaluate in (
        lambda: answered(case),
        lambda: check(case, trace, arithmetic),
        lambda: gradients(case, loss),
        lambda: check_gradients(case, loss, own, arithmetic),
    ):
        evaluate()
        with time_limit.time_limit(1), pytest.raises(time_limit.TimeIsUp):
            evaluate()


def limited_diagnosis(seconds, *mistakes):
    """The diagnosis of a backend that makes these mistakes, within so many looks at the clock."""
    case = drawn()
    wrong = Answer(case, answered(case, *mistakes))
    with time_limit.time_limit(seconds):
        return diagnose([wrong], Arithmetic(case.dtype))


def test_a_diagnosis_tells_how_far_it_came(clock):
    count = len(possible(drawn()))
    start, middle, pairs = (
        limited_diagnosis(seconds, "u_negated", "initial_state_ignored", "w_negated")
        for seconds in (1, 200, 3000)
    )
    assert str(start) == f"not diagnosed to the end: 1 s were over after 0 of {count} known mistakes"
    [tried] = re.findall(r"200 s were over after (\d+) of", str(middle))
    assert 0 < int(tried) == middle.tried < count
    assert str(pairs).endswith(f"after all {count} known mistakes one by one, before all pairs of them")


def test_what_was_found_before_the_end_is_told(clock):
    found = limited_diagnosis(100, "u_transposed")
    assert str(found) == MISTAKES["u_transposed"].description
    assert re.fullmatch(r"100 s were over after \d+ of \d+ known mistakes", found.unfinished)


def test_a_diagnosis_of_gradients_tells_how_far_it_came(clock):
    case = drawn(GRU)
    loss = Cotangents(outputs=np.ones_like(answered(case).outputs))
    wrong = {name: np.cos(array) for name, array in gradients(case, loss).items()}
    with time_limit.time_limit(100):
        found = diagnose_gradients([GradientAnswer(case, loss, wrong)], Arithmetic(case.dtype))
    assert re.search(r"100 s were over after [1-9]\d* of \d+ known mistakes", str(found))


def test_weights_are_recovered_within_the_time(clock):
    """The clock is looked at before each unit's, and before each row and column is looked for."""
    case = drawn()
    changed, arithmetic = replace(case, W=np.sin(9 * case.W)), Arithmetic(case.dtype)
    trace = answered(changed)
    with time_limit.time_limit(3), pytest.raises(time_limit.TimeIsUp):
        weights_in_effect(case, trace, arithmetic)
    found = weights_in_effect(case, trace, arithmetic)
    with time_limit.time_limit(1), pytest.raises(time_limit.TimeIsUp):
        differences(found)
