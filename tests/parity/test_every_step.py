"""Every step of every generated case is what the formula makes of the step before."""

import pytest
from hypothesis import given

from adapters import Case
from tests.backend import Backend
from tests.strategies import EMPTY_AND_SINGLE, LONG_SHAPES, REGIMES, WIDE_SHAPES, cases, fewer


@given(case=cases())
def test_every_step(backend: Backend, case: Case) -> None:
    backend.check(case)


@pytest.mark.parametrize("regime", REGIMES)
def test_every_step_in_regime(backend: Backend, regime: str) -> None:
    """As many cases of each kind of weights, the notebook's saturated and the tiny among them."""

    @fewer(8)
    @given(case=cases(regimes=(regime,)))
    def every_step(case: Case) -> None:
        backend.check(case)

    every_step()


@fewer(5)
@given(case=cases(shapes=LONG_SHAPES, regimes=("chaotic", "critical", "contractive", "tiny")))
def test_long_sequences(backend: Backend, case: Case) -> None:
    """Hundreds of steps. Whole trajectories of correct backends part company here; single steps do not."""
    backend.check(case)


@fewer(5)
@given(case=cases(shapes=WIDE_SHAPES, regimes=("contractive", "critical", "chaotic", "growing")))
def test_wide_layers(backend: Backend, case: Case) -> None:
    """Sizes past the widths of processor registers, and not multiples of them."""
    backend.check(case)


@fewer(4)
@given(case=cases(shapes=EMPTY_AND_SINGLE))
def test_empty_and_single(backend: Backend, case: Case) -> None:
    """No sequence, no step, one of each. With no step the final state is the initial one."""
    backend.check(case)
