"""No correct backend is ever called wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import cases
from tests.faults.correct import CORRECT, InAnotherOrder


@settings(max_examples=1000)
@given(data=st.data())
def test_correct_backend(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Draw from all regimes, the chaotic among them."""
    backend.check(data.draw(backend.cases(cell)))


@pytest.mark.parametrize("order", CORRECT)
def test_other_order_of_summation(order: str) -> None:
    backend = Backend(order, InAnotherOrder(CORRECT[order]))

    @settings(max_examples=400)
    @given(case=cases().filter(lambda case: case.time < 50))
    def every_step(case: Case) -> None:
        backend.check(case)

    every_step()
    assert backend.scores.compared >= 400
