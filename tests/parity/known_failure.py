"""The test of known failures, which `pytest --known-failures=FILE` runs beside the suite."""

import pytest

from rnn_lockstep.adapters import Refused
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.failure import failures
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure
from rnn_lockstep.tests.harness.known_failures.symptoms import are_seen
from rnn_lockstep.tests.harness.replay import check_saved


def test_known_failure(backend: Backend, known: KnownFailure) -> None:
    """The case of an entry still fails, as is expected of it; where it is for other versions, nothing is."""
    version = backend.adapter.facts.version
    if not known.has(version):
        pytest.skip(f"{backend.name} {version} is not one of {known.versions}, which have it: {known}")
    try:
        check_saved(backend, known.saved)
    except Refused as reason:
        pytest.fail(f"{backend.name} refuses the case of a known failure: {reason}", pytrace=False)
    except Exception as error:  # a mismatch or, where the backend raises, whatever it is
        [failure] = list(failures(error)) or [error]
        if "drift" not in known.shows and not are_seen([known.shows], failure):
            error.add_note(f"This is not how its entry says that it fails: {known}")
            raise
        pytest.xfail(str(known))
    more = f"; or give it versions without {version}"
    pytest.fail(f"no longer fails, remove its entry: {known}{more}", pytrace=False)
