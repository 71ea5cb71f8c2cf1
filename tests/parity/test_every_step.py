"""Steps, one by one: every step of every generated case is what the formula makes of the step before."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_lockstep.adapters import Refused
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.boundary_cases import boundary_cases
from rnn_lockstep.tests.harness.drawing.make_case import REGIMES
from rnn_lockstep.tests.harness.drawing.strategies import HALF_REGIMES, HALF_TYPES, fewer
from rnn_lockstep.tests.harness.needs import needs
from rnn_lockstep.tests.harness.profiles import DEFAULT_EXAMPLES


@given(data=st.data())
def test_every_step(backend: Backend, cell: str, data: st.DataObject) -> None:
    backend.check(data.draw(backend.cases(cell)))


@pytest.mark.parametrize("regime", REGIMES)
@fewer(10)
@given(data=st.data())
def test_every_step_in_regime(backend: Backend, cell: str, regime: str, data: st.DataObject) -> None:
    """Weights of each kind have as many cases, the notebook's saturated and the tiny among them."""
    backend.check(data.draw(backend.cases(cell, regimes=(regime,))))


@needs("long sequences")
@fewer(4)
@given(data=st.data())
def test_long_sequences(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Hundreds of steps. Whole trajectories of correct backends part company here; single steps do not.

    Where all gates are saturated, an LSTM's cell state counts the steps.
    """
    regimes = ("chaotic", "critical", "contractive", "tiny", "growing", "saturated")
    options = {"regimes": regimes, "padded": True, "backwards": True, "pairs": False}
    backend.check(data.draw(backend.cases(cell, "long", **options)))


def test_sizes_on_boundaries(backend: Backend, cell: str) -> None:
    """Powers of two and their neighbours, in every dimension, where code changes its way."""
    for seed in range(max(1, settings().max_examples // DEFAULT_EXAMPLES)):
        for case in boundary_cases(cell, backend.adapter.facts, seed):
            with suppress(Refused):  # which is counted
                backend.check(case)


@fewer(8)
@given(data=st.data())
def test_empty_and_single(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Batches and sequences of length 0 and 1. With no step the final state is the initial one."""
    backend.check(data.draw(backend.cases(cell, "empty and single", pairs=False)))


@fewer(4)
@given(data=st.data())
def test_variants(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Layers with one bias, two and none; both forms of the GRU; the hard sigmoids of Keras, old and new."""
    options = {"variants": "all", "padded": True, "masked": True, "backwards": True, "pairs": False}
    backend.check(data.draw(backend.cases(cell, "variants", **options)))


@needs("float16 or bfloat16")
@fewer(2)
@given(data=st.data())
def test_half_types(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Half types, float16 and bfloat16, have few bits: what is stored in them is rounded again and again."""
    dtype = data.draw(st.sampled_from([each for each in HALF_TYPES if each in backend.adapter.facts.dtypes]))
    half = {"dtypes": (dtype,), "regimes": HALF_REGIMES, "variants": "two layers", "pairs": False}
    backend.check(data.draw(backend.cases(cell, "half", padded=True, backwards=True, **half)))
