"""The score of a backend: bounded, whatever the backend says, and no case of it lost."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, compare, load
from rnn_lockstep.tests.harness.scores import MOST_REASONS, OTHER, Scores, most_common

CASE = Case(*(np.ones(shape, np.float32) for shape in [(1, 2, 2), (2, 2), (2, 2), (2,)]))
LAYER = "simple_rnn float32"


def refused(reasons):
    """The scores of a backend that refused a case for each of these reasons."""
    scores = Scores()
    for reason in reasons:
        scores.add_refusal(CASE, reason)
    return scores


def test_endless_reasons_take_no_endless_room_and_every_case_is_counted():
    scores = refused(f"no layer {k % 20_000 if k % 2 else 'at all'}" for k in range(100_000))
    score = scores[LAYER]
    assert len(score.reasons) == MOST_REASONS + 1
    assert score.counts["refused"] == score.reasons.total() == 100_000
    assert score.reasons["no layer at all"] == 50_000
    assert most_common(score.reasons, 1) == ({"no layer at all": 50_000}, 50_000)


def test_the_reasons_of_two_processes_are_bounded_and_counted_together():
    both = Scores()
    for part in ("a", "b", "c"):
        both.add_json(refused(f"{part}{k}" for k in range(300)).to_json())
    assert len(both[LAYER].reasons) == MOST_REASONS + 1
    assert both[LAYER].reasons[OTHER] == 800
    assert both.total.reasons.total() == 900


def test_reasons_are_short_and_printable():
    scores = refused(["\x1b[2J\nno" * 10**6])
    scores.add_known_failure(CASE, "known\x07\nfor long")
    [reason] = scores[LAYER].reasons
    assert reason.isprintable()
    assert len(reason) < 400
    assert list(scores[LAYER].known) == ["known? for long"]


def test_a_bound_that_proves_nothing_is_no_place_of_the_worst():
    verdict = compare(load("numpy"), CASE)
    assert verdict.ratio > 0
    scores = Scores()
    scores.add_verdict(replace(verdict, status="inconclusive"))
    assert scores[LAYER].worst == 0
    scores.add_verdict(verdict)
    assert scores[LAYER].worst == verdict.ratio
