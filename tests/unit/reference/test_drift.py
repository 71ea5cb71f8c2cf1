"""Drift: what is told of answers that are right to the proven bound."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.bound.arithmetic import PRODUCTS, rounded
from rnn_lockstep.reference.bound.projections import Projection
from rnn_lockstep.reference.check.answers import check
from rnn_lockstep.reference.check.drift import DTYPES, FEWEST, Drift
from rnn_lockstep.reference.check.in_words import apart, factor
from rnn_lockstep.reference.check.small_errors import small_errors
from rnn_lockstep.tests.harness.drawing.drift_cases import (
    CARRIED,
    SHAPE,
    carried_cases,
    drift_case,
    drift_cases,
)
from tests.faults.catalogue import FAULTS
from tests.faults.catalogue.drift import with_operands
from tests.faults.correct import CORRECT, InOrder, InOtherForms

CELLS = ("simple_rnn", "gru", "lstm", "peephole_lstm")
FACTS = NumpyAdapter.facts


def drift_of(adapter, cell, dtype, count=3, shape=SHAPE):
    """What a backend's answers to some cases show."""
    found = Drift()
    for case in drift_cases(cell, dtype, FACTS, count, shape):
        found.add(case, adapter.run(case), adapter.facts.arithmetic(case.dtype))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("order", [*CORRECT])
def test_no_order_of_summation_drifts(order, cell, dtype):
    found = drift_of(InOrder(order), cell, dtype)
    assert found.elements > FEWEST
    assert not found.reason
    assert found.ratios


@pytest.mark.parametrize("form", [{}, *CARRIED], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_no_other_form_drifts(cell, form):
    adapter, found = InOtherForms(), Drift()
    for seed in range(3):
        case = drift_case(cell, "float32", FACTS, (4, 6, 8, 33), "critical", form, seed)
        trace, arithmetic = adapter.run(case), adapter.facts.arithmetic(case.dtype)
        assert check(case, trace, arithmetic).status != "mismatch"
        found.add(case, trace, arithmetic)
    assert found.elements > 0
    assert not found.reason


def test_what_overflows_has_no_typical_error():
    """Other elements of the same case do; and where a sum overflows on the way, nothing that is carried."""
    case = drift_case("simple_rnn", "float32", FACTS, (4, 6, 8, 33), "critical", {"activation": "relu"}, 0)
    inputs = case.inputs.copy()
    inputs[0, 0] = 3e38
    case = replace(case, inputs=inputs)
    found, arithmetic = Drift(), FACTS.arithmetic(case.dtype)
    with np.errstate(all="ignore"):
        found.add(case, NumpyAdapter().run(case), arithmetic)
    assert found.elements > 100
    assert not found.reason
    merged = replace(case, merge_mode="sum", more_weights=(case.weights,), initial_state=None)
    with np.errstate(all="ignore"):
        found.add(merged, NumpyAdapter().run(merged), arithmetic)
    assert not found.carried.elements


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["U", "W", "b"])
def test_a_weight_that_is_off_by_a_millionth_is_named(name, cell):
    fault = {"b": "bias"}.get(name, name.lower()) + "_too_large_by_a_millionth"
    found = drift_of(FAULTS[fault](), cell, "float32", count=6)
    words = rf"right to the proven bound, but {name} acts as if it were 1\.00000(1\d?|09\d) times as large"
    assert re.match(words, found.reason)


def test_products_in_fewer_bits_are_named():
    found = drift_of(FAULTS["wide_products_in_tf32"](), "gru", "float32")
    assert "times further off than float32 rounding explains, as products taken in TF32 are" in found.reason


@pytest.mark.parametrize("cell", CELLS)
def test_sums_in_float16_are_told_by_their_size(cell):
    found = drift_of(FAULTS["wide_sums_in_float16"](), cell, "float16")
    assert "times further off than float16 rounding explains, most at " in found.reason


def test_too_few_elements_tell_nothing_but_their_size():
    found = drift_of(NumpyAdapter(), "simple_rnn", "float32", count=1, shape=(1, 2, 3, 3))
    assert not found.ratios
    assert found.shown.root_mean_square == 0
    assert found.shown.largest > 0


def test_what_cases_show_adds_up():
    whole, merged = drift_of(NumpyAdapter(), "gru", "float32"), Drift()
    for case in drift_cases("gru", "float32", FACTS, 3):
        one = Drift()
        one.add(case, NumpyAdapter().run(case), FACTS.arithmetic(case.dtype))
        merged.merge(one)
    assert (whole.elements, whole.units, whole.where) == (merged.elements, merged.units, merged.where)
    for words, projection in whole.projections.items():
        assert projection.coefficient == pytest.approx(merged.projections[words].coefficient, rel=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_every_small_error_has_words_of_its_own(cell):
    [case] = drift_cases(cell, "float32", FACTS, 1)
    words = [error.words for error in small_errors(case, FACTS.arithmetic(case.dtype))]
    assert len(set(words)) == len(words) > 5


def test_a_projection_gives_back_what_was_planted():
    rng = np.random.default_rng(0)
    sigma, direction = rng.uniform(1, 2, (400, 50)), rng.normal(size=(400, 50))
    found = Projection()
    found.add(rng.normal(size=(400, 50)) * sigma + 0.3 * direction, direction, sigma, np.zeros((400, 50)))
    assert found.coefficient == pytest.approx(0.3, abs=4 * found.noise)
    assert found.noise < 0.02


def test_units_that_deviate_alike_in_all_rows_are_noisier():
    """Equal inputs give equal rounding in every row, which is then no more than one."""
    rng = np.random.default_rng(0)
    one = np.ones((400, 50))
    alike, apart = Projection(), Projection()
    alike.add(one * rng.normal(size=50), one, one, 0 * one)
    apart.add(rng.normal(size=(400, 50)), one, one, 0 * one)
    assert alike.noise > 10 * apart.noise


def test_rounding_to_bits_is_to_nearest():
    x = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_array_equal(rounded(x, 24), x.astype(np.float32))
    np.testing.assert_array_equal(rounded(x, 11), x.astype(np.float16))


@pytest.mark.parametrize(
    ("number", "text"),
    [(1 + 3e-6, "1.000003"), (1 - 2.5e-7, "0.99999975"), (1.123, "1.123"), (1, "1"), (10 / 9, "1.11111")],
)
def test_a_factor_that_is_nearly_1_has_two_digits_of_its_difference_from_it(number, text):
    assert factor(number) == text


def test_two_numbers_are_told_with_as_many_digits_as_tell_them_apart():
    assert apart(0.5, 0.25) == ("0.5", "0.25")
    assert apart(1 + 1e-8, 1) == ("1.00000001", "1")


def test_a_case_is_left_as_it_is():
    [case] = drift_cases("lstm", "float32", FACTS, 1)
    before = replace(case, inputs=case.inputs.copy())
    drift_of(NumpyAdapter(), "lstm", "float32", count=1)
    np.testing.assert_array_equal(before.inputs, case.inputs)


@pytest.mark.parametrize("form", CARRIED, ids=str)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("order", ["sequential", "wide_accumulator"])
def test_no_order_drifts_where_states_are_not_shown(order, cell, form):
    adapter, found = InOrder(order), Drift()
    for seed, regime in enumerate(("critical", "chaotic")):
        case = drift_case(cell, "float32", FACTS, (2, 6, 8, 33), regime, form, seed)
        trace = replace(adapter.run(case), hidden_outputs=())
        found.add(case, trace, adapter.facts.arithmetic(case.dtype))
    assert found.carried.elements > 0
    assert not found.reason


@pytest.mark.parametrize("cell", CELLS)
def test_a_product_in_fewer_bits_is_seen_in_a_stack(cell):
    adapter, found = FAULTS["wide_stacks_in_tf32"](), Drift()
    for case in carried_cases(cell, "float32", FACTS, 2):
        found.add(case, adapter.run(case), adapter.facts.arithmetic(case.dtype))
    assert re.search("times further off than float32 rounding explains", found.reason)


def test_a_stack_of_which_the_bound_says_nothing_is_judged():
    """Two layers of 256 units in both directions, their outputs a thousandth too large."""
    case = drift_case("lstm", "float32", FACTS, (1, 16, 16, 256), "critical", CARRIED[0], 0)
    trace, arithmetic = NumpyAdapter().run(case), FACTS.arithmetic(case.dtype)
    trace = replace(trace, hidden_outputs=())
    assert check(case, trace, arithmetic).status == "inconclusive"
    right, wrong = Drift(), Drift()
    right.add(case, trace, arithmetic)
    wrong.add(case, replace(trace, outputs=trace.outputs * np.float32(1.001)), arithmetic)
    assert not right.reason
    assert wrong.beyond > 100


@pytest.mark.parametrize("form", [{}, CARRIED[0]], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_products_that_are_declared_to_be_cut_are_right(cell, form):
    """What is declared belongs to the bound and to σ; what is cut further is still told."""
    found = {}
    for declared, computed in (("TF32", "TF32"), ("bfloat16", "bfloat16"), ("TF32", "bfloat16")):
        arithmetic, drift = replace(FACTS, products=declared).arithmetic(np.dtype("float32")), Drift()
        for seed in range(3):
            case = drift_case(cell, "float32", FACTS, (4, 4, 8, 33), "contractive", form, seed)
            trace = with_operands(PRODUCTS[computed])(case)
            if declared == computed:
                assert check(case, trace, arithmetic).status != "mismatch"
            drift.add(case, trace, arithmetic)
        found[declared, computed] = drift.reason
    assert not found["TF32", "TF32"]
    assert not found["bfloat16", "bfloat16"]
    assert form or "as products taken in bfloat16 are" in found["TF32", "bfloat16"]
