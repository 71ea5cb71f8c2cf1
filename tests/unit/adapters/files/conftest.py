"""The frameworks that make files."""

import pytest

from rnn_lockstep.adapters import load


@pytest.fixture(scope="module")
def keras():
    return load("keras").keras
