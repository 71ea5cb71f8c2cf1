"""The forms of a layer that are drawn: pairs of features where forms cost much, sizes on boundaries."""

from itertools import combinations, product

import pytest

from rnn_lockstep.tests.harness.drawing.boundary_cases import SHAPES, boundary_cases
from rnn_lockstep.tests.harness.drawing.forms import FEATURES, few_forms
from rnn_lockstep.tests.harness.drawing.strategies import ALL, choices

POWERS = (8, 16, 32, 64, 128, 256)
CHOICES = {
    "usual": choices(),
    "in any way": choices("lstm", "several steps", padded=True, masked=True, backwards=True),
    "half types": choices("gru", "half", variants="two layers", padded=True, dtypes=("float16", "bfloat16")),
    "one feature": choices("gru", "several steps", dtypes=("float32",)),
    "one form": {**choices("gru", "several steps", dtypes=("float32",)), "given_state": (True,)},
}


def values(choices, name):
    """The values of a feature, of padding whether there is any."""
    return {str(each != "none") if name == "padding" else str(each) for each in choices[name]}


@pytest.mark.parametrize("which", CHOICES)
def test_any_two_values_of_two_features_come_together(which):
    whole, forms = CHOICES[which], few_forms(CHOICES[which])
    for a, b in combinations(FEATURES, 2):
        together = {pair for form in forms for pair in product(values(form, a), values(form, b))}
        assert together == set(product(values(whole, a), values(whole, b))), (a, b)


@pytest.mark.parametrize("which", CHOICES)
def test_each_value_is_in_a_form_where_pairs_are_not_asked_for(which):
    whole, forms = CHOICES[which], few_forms(CHOICES[which], pairs=False)
    for name in FEATURES:
        assert {value for form in forms for value in values(form, name)} == values(whole, name)
    assert len(forms) == max(len(values(whole, name)) for name in FEATURES)


@pytest.mark.parametrize("which", CHOICES)
def test_a_form_has_one_value_of_each_feature(which):
    for form in few_forms(CHOICES[which]):
        assert all(len(values(form, name)) == 1 for name in FEATURES)
        assert {name: form[name] for name in ("regime", "layout")} == {
            name: CHOICES[which][name] for name in ("regime", "layout")
        }


def test_pairs_take_fewer_forms_than_all_combinations():
    combined = 1
    for name in FEATURES:
        combined *= len(values(CHOICES["in any way"], name))
    assert 2 * len(few_forms(CHOICES["in any way"])) <= combined


def test_every_size_next_to_a_power_of_two_is_in_every_place():
    sizes = sorted(power + side for power in POWERS for side in (-1, 0, 1))
    assert [sorted(place) for place in zip(*SHAPES, strict=True)] == [sizes] * 4


@pytest.mark.parametrize("six", [SHAPES[:6], SHAPES[6:12], SHAPES[12:]])
def test_each_six_shapes_have_every_power_of_two_or_a_neighbour(six):
    for place in zip(*six, strict=True):
        assert all(any(abs(size - power) <= 1 for size in place) for power in POWERS)


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm"])
def test_boundaries_come_in_both_dtypes_and_in_every_way(cell):
    """With the seeds of a deeper run each shape comes in both dtypes."""
    cases = [case for seed in range(2) for case in boundary_cases(cell, ALL, seed)]
    assert len({(case.inputs.shape, case.dtype) for case in cases}) == 2 * len(SHAPES)
    assert {case.layers for case in cases} == {1, 2}
    assert {case.reverse for case in cases} == {case.padded for case in cases} == {True, False}
