"""The test of known failures, which `pytest --known-failures=FILE` runs beside the suite."""

import pytest

from rnn_lockstep.adapters import Refused
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure
from rnn_lockstep.tests.harness.replay import check_saved


def test_known_failure(backend: Backend, known: KnownFailure) -> None:
    """The case of an entry still fails, as is expected of it."""
    try:
        check_saved(backend, known.saved)
    except Refused as reason:
        pytest.fail(f"{backend.name} refuses the case of a known failure: {reason}", pytrace=False)
    except Exception:  # a mismatch or, where the backend raises, whatever it is
        pytest.xfail(str(known))
    pytest.fail(f"no longer fails, remove its entry: {known}", pytrace=False)
