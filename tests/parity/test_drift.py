"""Drift: answers that are right to the proven bound, and yet further off than rounding explains."""

import pytest
from hypothesis import settings

from rnn_lockstep.reference.check.drift import DTYPES
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.drift_cases import WIDE, carried_cases, drift_cases
from rnn_lockstep.tests.harness.needs import HIDDEN, needs

EXAMPLES = 10  # of a run's number of examples, for one case


@pytest.mark.parametrize("dtype", [pytest.param(dtype, marks=needs(dtype)) for dtype in DTYPES])
def test_drift(backend: Backend, cell: str, dtype: str) -> None:
    """Errors of a millionth, products in fewer bits or sums in a half type are seen in many elements."""
    count = max(1, settings().max_examples // EXAMPLES)
    backend.check_drift(drift_cases(cell, dtype, backend.adapter.facts, count))


@pytest.mark.parametrize(
    "dtype", [pytest.param(dtype, marks=needs(dtype)) for dtype in ("float32", "float16")]
)
def test_drift_of_wide_layers(backend: Backend, cell: str, dtype: str) -> None:
    """The proven bound grows with the number of terms, and what rounding does hardly."""
    count = max(1, settings().max_examples // (2 * EXAMPLES))
    backend.check_drift(drift_cases(cell, dtype, backend.adapter.facts, count, WIDE))


@needs("float32", HIDDEN)
def test_drift_of_what_is_not_shown(backend: Backend, cell: str) -> None:
    """In stacks and merged directions the bound grows from step to step, and what rounding does hardly."""
    count = max(1, settings().max_examples // (2 * EXAMPLES))
    backend.check_drift(carried_cases(cell, "float32", backend.adapter.facts, count))
