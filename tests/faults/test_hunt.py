"""The hunt draws every kind of case, each of which it shows again by its number, and loses none of them."""

import pytest

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.saved_cases.saved_case import unpack
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import ALL
from rnn_lockstep.tests.harness.hunting import MOST_LOST, Found, drawn_case, hunted
from rnn_lockstep.tests.harness.replay import check_saved

WRONG = "tests.faults.catalogue:gru_gates_in_order_zrn"
CASES = range(30)


@pytest.fixture(scope="module")
def found_wrong():
    return hunted(WRONG, 3, CASES)


def test_it_draws_all_that_is_declared():
    cases = [drawn_case(ALL, 0, number) for number in range(300)]
    assert {case.cell for case in cases} == set(EVERYTHING["cells"])
    assert {case.dtype.name for case in cases} == set(EVERYTHING["dtypes"])
    assert {case.merge_mode for case in cases} == {None, *EVERYTHING["merge_modes"]}
    assert {case.layers for case in cases} == {1, 2, 3}
    for choice in ("reverse", "return_sequences", "padded"):
        assert {getattr(case, choice) for case in cases} == {True, False}


def test_a_correct_backend_has_no_mismatch():
    found = hunted("numpy", 0, range(100))
    assert found.scores.total.counts["match"] > 50
    assert found.done == 100
    assert not found.wrong
    assert not found.finds


def test_a_mismatch_is_shown_again_by_its_number(found_wrong):
    find = found_wrong.finds[0]
    (again,) = hunted(WRONG, 3, range(find.number, find.number + 1)).finds
    assert again == find


def test_a_mismatch_comes_back_as_a_saved_case_that_fails_again(found_wrong):
    (data,) = found_wrong.finds[0].files.values()
    saved = unpack(data)
    assert (saved.backend, saved.status) == (WRONG, "mismatch")
    with pytest.raises(AssertionError, match="wrong outputs"):
        check_saved(Backend(WRONG, load(WRONG)), saved)
    check_saved(Backend("numpy", load("numpy")), saved)


def test_blocks_add_up_to_the_whole_in_any_order(found_wrong):
    whole = Found()
    for block in (CASES[20:], CASES[:5], CASES[5:20]):
        whole.add(hunted(WRONG, 3, block))
    assert (whole.done, whole.wrong) == (found_wrong.done, found_wrong.wrong) == (len(CASES), whole.wrong)
    assert {find.kind for find in whole.finds} == {find.kind for find in found_wrong.finds}
    for layer, score in found_wrong.scores.items():
        assert whole.scores[layer].counts == score.counts
        assert whole.scores[layer].worst == score.worst


def test_a_backend_that_ends_is_a_find_and_what_was_not_run_is_told():
    found = hunted("tests.faults.misbehaving:is_killed", 0, range(MOST_LOST + 4))
    assert found.counts == {"error": MOST_LOST, "not run": 4}
    assert found.wrong == MOST_LOST
    assert found.finds[0].words.startswith("error: the backend's process ended with SIGKILL")
    assert unpack(next(iter(found.finds[0].files.values()))).status == "error"
