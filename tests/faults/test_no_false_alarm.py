"""No correct backend is ever called wrong."""

import pytest
from hypothesis import given, settings

from adapters import Case
from tests.backend import Backend
from tests.faults.correct import CORRECT, InAnotherOrder
from tests.strategies import SHAPES, cases


@settings(max_examples=2000)
@given(case=cases())
def test_correct_backend(backend: Backend, case: Case) -> None:
    """Of all regimes, the chaotic among them."""
    backend.check(case)


@pytest.mark.parametrize("order", CORRECT)
def test_other_order_of_summation(order: str) -> None:
    backend = Backend(order, InAnotherOrder(CORRECT[order]))

    @settings(max_examples=400)
    @given(case=cases(shapes=[s for s in SHAPES if s[1] < 50]))
    def every_step(case: Case) -> None:
        backend.check(case)

    every_step()
    assert backend.scores.compared >= 400
