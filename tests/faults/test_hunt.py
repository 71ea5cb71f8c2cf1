"""The hunt for false alarms draws every kind of case, each of which it shows again by its number."""

import re

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.tests.harness.drawing.strategies import ALL
from tests.benchmarks.hunt import drawn_case, hunt
from tests.faults.catalogue import FAULTS


def test_it_draws_all_that_is_declared():
    cases = [drawn_case(ALL, 0, number) for number in range(300)]
    assert {case.cell for case in cases} == set(EVERYTHING["cells"])
    assert {case.dtype.name for case in cases} == set(EVERYTHING["dtypes"])
    assert {case.merge_mode for case in cases} == {None, *EVERYTHING["merge_modes"]}
    assert {case.layers for case in cases} == {1, 2, 3}
    for choice in ("reverse", "return_sequences", "padded"):
        assert {getattr(case, choice) for case in cases} == {True, False}


def test_a_correct_backend_has_no_mismatch(capsys):
    scores = hunt(load("numpy"), 0, range(100))
    assert sum(score.counts["match"] for score in scores.values()) > 50
    assert not capsys.readouterr().out


def test_a_mismatch_is_shown_again_by_its_number(capsys):
    backend = FAULTS["gru_gates_in_order_zrn"]()
    hunt(backend, 3, range(100))
    first = capsys.readouterr().out
    numbers = re.findall(r"seed 3, case (\d+): mismatch", first)
    assert numbers
    hunt(backend, 3, range(int(numbers[0]), int(numbers[0]) + 1))
    assert first.startswith(capsys.readouterr().out)
