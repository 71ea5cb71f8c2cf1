"""Backends in pytest's own process: these tests look into adapters, and ask frameworks themselves."""

import pytest

from rnn_lockstep.adapters import UnknownBackend, load
from rnn_lockstep.tests.harness.backend import Backend


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend under test in turn. Fails the test where it cannot be made."""
    try:
        return Backend(request.param, load(request.param))
    except UnknownBackend as error:
        reason = str(error)
    pytest.fail(reason, pytrace=False)
