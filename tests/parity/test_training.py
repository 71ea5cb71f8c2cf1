"""Training: a few updates by gradient descent, beside the oracle's.

Each update is judged from the backend's own weights, and all of them together with the error that has
been carried along. It fades where weights are contractive, the rate is small and all is in float64.
"""

from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer, targets, without_nan
from rnn_lockstep.tests.harness.needs import needs

RATES = (0.1, 2.0**-6)
UPDATES = 5


@needs("gradients", "float64")
@fewer(10)
@given(data=st.data())
def test_training(backend: Backend, cell: str, data: st.DataObject) -> None:
    options = {"regimes": ("contractive", "grid"), "dtypes": ("float64",), "padded": True, "backwards": True}
    case = data.draw(backend.cases(cell, "gradients", **options))
    case, rate = without_nan(case), data.draw(st.sampled_from(RATES))
    backend.check_training(case, data.draw(targets(case)), rate, data.draw(st.integers(1, UPDATES)))
