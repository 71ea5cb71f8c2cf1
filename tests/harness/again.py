"""The commands that run something again, to be pasted in the folder where the run was started."""

import shlex
from pathlib import Path

import pytest

from rnn_lockstep.tests.harness.anywhere import TESTS, is_anywhere


def commands(item: pytest.Item) -> tuple[str, str]:
    """Give the commands that run a saved case and this test again, all but their options.

    Outside the clone, pytest finds the harness by the path of a test only.
    """
    if is_anywhere(item.config):
        return "rnn-lockstep test", f"rnn-lockstep test {shlex.quote(item.nodeid)}"
    current = item.config.invocation_params.dir
    _, *names = item.nodeid.split("::")  # the file's name is relative to another folder
    test = "::".join([str(shortest(item.path, current)), *names])
    suite = "" if current.is_relative_to(TESTS.parent) else f" {shlex.quote(str(TESTS / 'parity'))}"
    return f"pytest{suite}", f"pytest {shlex.quote(test)}"


def shortest(path: Path, current: Path) -> Path:
    """The path as it is shortest to type in the folder `current`."""
    return path.relative_to(current) if path.is_relative_to(current) else path
