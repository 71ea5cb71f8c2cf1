"""Declarations that mean nothing: the backend cannot be made, and what is wrong is named in one line."""

import pytest

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.declarations import mistake_in
from rnn_lockstep.adapters.backends.registry import NotMade
from tests.faults.misbehaving.forms import NONSENSE


@pytest.mark.parametrize(("name", "told"), [(name, told) for name, (_, told) in NONSENSE.items()])
def test_what_means_nothing_is_named(name, told):
    with pytest.raises(NotMade) as caught:
        load(f"tests.faults.misbehaving:{name}")
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_a_built_in_backend_declares_means_something():
    assert mistake_in(load("numpy").facts) == ""
