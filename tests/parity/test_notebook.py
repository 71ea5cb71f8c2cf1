"""The seed notebook's own setting: 100 steps of 32 features into 64 units, everything uniform in [0, 1)."""

import numpy as np
import pytest

from rnn_lockstep.adapters import Case
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.needs import needs

DTYPES = ("float32", "float64")


@needs("simple_rnn", "layers with one bias")
@pytest.mark.parametrize("dtype", [pytest.param(dtype, marks=needs(dtype)) for dtype in DTYPES])
def test_the_notebook(backend: Backend, dtype: str) -> None:
    """Run 100 steps, from the second of which on every unit is saturated at 1.

    So this test alone sees little: a backend that transposes U passes it, as
    tests/unit/reference/test_notebook.py shows. The generated cases of test_every_step.py go where the
    weights matter.
    """
    rng = np.random.default_rng(0)
    case = Case(
        inputs=rng.random((1, 100, 32)).astype(dtype),
        W=rng.random((64, 32)).astype(dtype),
        U=rng.random((64, 64)).astype(dtype),
        b=rng.random(64).astype(dtype),
    )
    backend.check(case)
