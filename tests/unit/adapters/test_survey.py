"""A survey says which sizes are wrong, by a rule that separates them all, or says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.compare import judge, judge_gradients, run
from rnn_lockstep.adapters.backends.examination import examine, examine_gradients
from rnn_lockstep.adapters.backends.survey import SEEDS, Survey, rules, survey
from rnn_lockstep.reference import Cotangents
from rnn_lockstep.reference.diagnosis.probe import SIZES, of_sizes
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp, time_left, time_limit
from rnn_lockstep.tests.harness.drawing.make_case import make_case as drawn
from tests.unit.adapters.test_contract import make_case

SPECIAL = 7  # bounds that a wrong answer is off by


def wrong_where(wrong):
    """Make the answer of a backend that is wrong with some sizes: how far off it is."""
    return lambda case: SPECIAL if wrong(case) else 0.5


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda case: case.time % 2 == 1, "where time is odd"),
        (lambda case: case.time in {1, 3, 5, 7, 9, 11}, ""),
        (lambda case: case.time % 2 == 1 and case.time > 1, "where time is odd"),
        (lambda case: case.hidden_size > 1, ""),
        (lambda case: case.hidden_size > 2, "where hidden_size is over 2"),
        (lambda case: case.input_size <= 77, "where input_size is up to 77"),
        (lambda case: case.batch == 1, "where batch is 1"),
        (lambda case: case.batch % 8 == 1, "where batch is one more than a multiple of 8"),
        (
            lambda case: case.hidden_size > 2 and case.time % 3 == 0,
            "where time is a multiple of 3 and hidden_size is over 2",
        ),
        (lambda case: case.time == case.batch + 2 == 3, "where time is 3 and batch is 1"),
        (lambda case: case.time == case.hidden_size, "where time and hidden_size are both 3"),
        (lambda case: case.time in {3, 10}, "where time is 3 or 10"),
        (lambda case: case.time in {3, 10, 12}, ""),
        (lambda case: True, ""),
    ],
)
def test_the_rule_that_separates_all_sizes_is_told(wrong, rule):
    assert rules(survey(make_case(batch=1, time=3), wrong_where(wrong))) == rule


def test_what_is_wrong_by_chance_follows_no_rule():
    """The larger a case, the likelier that it shows a mistake that few of its numbers make."""
    rng = np.random.default_rng(0)

    def ask(case):
        return SPECIAL if rng.random(case.batch * case.time * case.hidden_size).max() > 0.9 else 0.5

    found = survey(make_case(batch=1, time=8), ask)
    assert not rules(found)


def test_what_only_grows_with_the_size_is_the_bound_and_no_rule():
    found = survey(make_case(batch=1, time=3), lambda case: 0.3 * case.time)
    assert not rules(found)


def test_a_case_whose_sizes_do_not_show_it_is_asked_no_more():
    asked = []

    def ask(case):
        asked.append(case)
        return 0.5

    assert survey(make_case(), ask) == []
    assert len(asked) == SEEDS


def test_a_survey_that_the_time_ends_tells_of_the_sizes_that_were_asked():
    def ask(case):
        if case.input_size > 100:
            raise TimeIsUp("20 s were over")
        return SPECIAL if case.batch % 2 else 0.5

    found = survey(make_case(batch=1, time=2), ask)
    assert [each.name for each in found] == ["time", "hidden_size", "batch"]
    assert rules(found) == "where batch is odd"


def test_a_survey_takes_a_share_of_the_time():
    with time_limit(100):
        left = []

        def ask(case):
            left.append(time_left())
            return SPECIAL

        survey(make_case(), ask)
        assert max(left) < 31
        assert time_left() > 90


def test_what_a_backend_cannot_do_is_neither_right_nor_wrong():
    class Small(WhereTimeIsAPowerOfTwo):
        def run(self, case):
            if case.batch > 100:
                raise MemoryError("too large")
            return super().run(case)

    case, backend = make_case(batch=1, time=2), Small()
    trace = backend.run(case)
    found = examine(Small, backend, judge(backend, case, trace), trace)
    assert found.cause == "b is dropped, where time is a power of two"


def test_both_sides_are_listed():
    sizes = Survey("time", {2: 0.1, 4: 0.2}, dict.fromkeys(range(1, 40, 2), 9.0))
    right = "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 and 4 more"
    assert str(sizes) == f"time: wrong with 2, 4; right with {right}"


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm"])
@pytest.mark.parametrize(
    "options",
    [
        {"layers": 3, "merge_mode": "concat"},
        {"merge_mode": "sum", "padding": "ragged"},
        {"padding": "scattered, one empty"},
        {"return_sequences": False},
    ],
)
def test_a_case_of_other_sizes_is_of_the_same_kind(cell, options):
    choices = {
        **{"shape": (3, 5, 4, 6), "dtype": "float32", "regime": "critical", "layout": "contiguous"},
        **{"given_state": True, "padding": options.get("padding", "none"), "reverse": False, "source": 0},
    }
    variant = {name: value for name, value in options.items() if name != "padding"}
    case = drawn(cell=cell, variant={"biases": 2, **variant}, **choices)
    sizes = dict(zip(SIZES, (2, 7, 9, 5), strict=True))
    found = of_sizes(case, 0, **sizes)
    assert {name: getattr(found, name) for name in SIZES} == sizes
    assert (found.kind, found.padded, found.layers) == (case.kind, case.padded, case.layers)
    assert judge(load("numpy"), found, run(load("numpy"), found)).status == "match"


class WhereTimeIsAPowerOfTwo:
    """A backend that drops the bias there."""

    facts = load("numpy").facts

    def run(self, case):
        wrong = case.time & (case.time - 1) == 0
        return load("numpy").run(replace(case, b=0 * case.b) if wrong else case)


def test_the_sizes_are_told_beside_the_cause():
    """The cause is found in larger cases that are wrong too: what the small one shows is too little."""
    case, backend = make_case(batch=1, time=2), WhereTimeIsAPowerOfTwo()
    trace = backend.run(case)
    found = examine(WhereTimeIsAPowerOfTwo, backend, judge(backend, case, trace), trace)
    assert found.cause == "b is dropped, where time is a power of two"
    assert found.notes[0].startswith("time: wrong with 1, 2, 4, 8, 16, 32, 64, 128; right with 3, 5, 6,")


class WrongInFloat64:
    """A backend that adds something to its outputs in float64."""

    facts = load("numpy").facts

    def __init__(self, more):
        self.more = more

    def run(self, case):
        trace = load("numpy").run(case)
        if case.dtype == np.float64:
            trace.outputs[...] *= 1 + self.more
        return replace(trace, final_state=trace.outputs[:, -1].copy())


@pytest.mark.parametrize(("more", "told"), [(1e-2, True), (1e-8, False)])
def test_dtypes_are_told_where_it_is_not_that_their_bounds_are_too_wide(more, told):
    case, backend = make_case(batch=3, time=6), WrongInFloat64(more)
    case = replace(case, **{name: array.astype(np.float64) for name, array in case.arrays().items()})
    trace = backend.run(case)
    found = examine(lambda: backend, backend, judge(backend, case, trace), trace)
    assert ("wrong in float64; right in float32" in "".join(found.notes)) == told


class WrongGradientsOfManyRows:
    """A backend whose gradients of W are zero where there are three rows or more."""

    facts = load("numpy").facts

    def run(self, case):
        return load("numpy").run(case)

    def gradients(self, case, cotangents):
        found = load("numpy").gradients(case, cotangents)
        return found | {"W": 0 * found["W"]} if case.batch > 2 else found


def test_the_sizes_of_wrong_gradients_are_told():
    case, backend = make_case(batch=3, time=4), WrongGradientsOfManyRows()
    asked = Cotangents(
        np.ones((3, 4, case.hidden_size), case.dtype), np.ones((3, case.hidden_size), case.dtype)
    )
    answer = backend.gradients(case, asked)
    found = examine_gradients(backend, judge_gradients(backend, case, asked, answer), asked, answer)
    assert "where batch is over 2" in found.cause
