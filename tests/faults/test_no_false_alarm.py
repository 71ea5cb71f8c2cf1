"""No correct backend is ever called wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case
from rnn_lockstep.adapters.backends.contract import CELLS
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import HALF_REGIMES, cases
from tests.faults.correct import CORRECT, InAnotherOrder, InAWiderDtype, InOtherForms


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


@pytest.mark.parametrize("of_cell", CELLS)
def test_wider_dtype(of_cell: str) -> None:
    """Of what is predicted from a copy that was rounded when it was shown, the wide one is further off."""
    backend = Backend("wide", InAWiderDtype())
    dtypes = ("float32", "float16", "bfloat16")
    stacked = {"variants": "stacked", "dtypes": dtypes, "regimes": HALF_REGIMES}

    @settings(max_examples=400)
    @given(case=cases(of_cell, **stacked) | cases(of_cell, **stacked | {"variants": "all"}))
    def answer(case: Case) -> None:
        backend.check(case)

    answer()
    assert backend.scores.compared >= 400


@pytest.mark.parametrize("of_cell", CELLS)
def test_other_forms(of_cell: str) -> None:
    backend = Backend("in other forms", InOtherForms())

    @settings(max_examples=300)
    @given(case=cases(of_cell, dtypes=("float32",)).filter(lambda case: case.activation == "tanh"))
    def answer(case: Case) -> None:
        backend.check(case)

    answer()
    assert backend.scores.compared >= 100
