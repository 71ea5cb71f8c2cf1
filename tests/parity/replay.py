"""The test of saved cases, which `pytest --replay=PATH` runs in the place of the suite."""

from pathlib import Path

import pytest

from rnn_lockstep.adapters import Refused
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.replay import check_saved


def test_replay(backend: Backend, replayed: tuple[Path, SavedCase]) -> None:
    """Judge the case of one file anew; nothing of what was found when it was saved counts."""
    file, saved = replayed
    try:
        check_saved(backend, saved, file.name)
    except Refused as reason:
        pytest.skip(f"{backend.name} refused: {reason}")
