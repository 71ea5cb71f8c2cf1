"""The engine's three starting points agree, and verdict and diagnosis are of one mind."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import check
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.engine import PLAIN, carried, from_shown_states
from rnn_lockstep.reference.oracle.shown import with_error
from tests.unit.reference.arithmetics import of_numpy
from tests.unit.reference.test_stacks import make_case

SHAPES = [
    {},
    {"layers": 2, "merge_mode": "concat"},
    {"merge_mode": "mul", "return_sequences": False},
    {"reverse": True, "lengths": np.array([5, 2, 0, 3])},
]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_all_starting_points_have_the_same_values(cell, options):
    """The backend's shown states are exact here, and the errors that are carried are the larger ones."""
    case = make_case(cell, **options)
    plain = PLAIN.answer(case)
    arithmetic = of_numpy(case)
    whole = carried(arithmetic).answer(case)
    stepped = from_shown_states(case, plain, with_error(arithmetic)).answer(case)
    for exact, free, forced in zip(
        plain.arrays().values(), whole.arrays().values(), stepped.arrays().values(), strict=True
    ):
        np.testing.assert_allclose(free.closed().value, exact, atol=1e-14)
        value = forced.closed() if hasattr(forced, "closed") else forced
        np.testing.assert_allclose(getattr(value, "value", value), exact, atol=1e-14)
        assert np.all(getattr(value, "error", 0.0) <= free.closed().error * (1 + 1e-12))


def last_output_scaled(**options):
    """A case, and an answer whose last output is 1e-6 too large."""
    case = make_case(**options)
    trace = NumpyAdapter().run(case)
    if case.return_sequences:
        outputs = trace.outputs.copy()
        outputs[:, -1] *= 1 + 1e-6
        return case, replace(trace, outputs=outputs, final_state=outputs[:, -1].copy())
    return case, replace(trace, outputs=trace.outputs * (1 + 1e-6))


def test_a_scaled_last_output_is_no_narrower_dtype():
    """A last output is the final state, which nothing rounds on the way: no coarser rounding explains it."""
    case, trace = last_output_scaled(return_sequences=False)
    arithmetic = of_numpy(case)
    verdict = check(case, trace, arithmetic)
    assert verdict.status == "mismatch"
    assert verdict.reason.startswith("outputs is wrong")
    found = diagnose([Answer(case, trace)], arithmetic)
    assert not found.explanations, str(found)


def test_a_single_scaled_step_is_found_at_that_step():
    """One wrong step among right ones is not the mark of a narrower dtype either."""
    case, trace = last_output_scaled()
    verdict = check(case, trace, of_numpy(case))
    assert (verdict.status, verdict.first.time) == ("mismatch", case.time - 1)
    assert not diagnose([Answer(case, trace)], of_numpy(case)).explanations
