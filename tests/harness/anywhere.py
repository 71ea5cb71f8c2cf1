"""The suite from any folder: `rnn-lockstep test`, which is pytest with a configuration of its own.

No pytest configuration and no conftest.py of the current folder is read. Backends are looked up there,
and failing cases are saved there.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CONFIGURATION = TESTS / "harness" / "anywhere.ini"
PLUGIN = "rnn_lockstep.tests.harness.plugin"


def main(arguments: Sequence[str]) -> int:
    """Run the parity suite with these options of pytest, and return pytest's exit code."""
    cache = Path.cwd() / ".pytest_cache"
    own = ["-p", PLUGIN, "-c", str(CONFIGURATION), "--rootdir", str(TESTS), "--noconftest"]
    return int(pytest.main([*own, "-o", f"cache_dir={cache}", *arguments]))


def is_anywhere(config: pytest.Config) -> bool:
    """Tell a run of `rnn-lockstep test` from one of `pytest`."""
    return config.inipath == CONFIGURATION


def saving_folder(config: pytest.Config) -> Path:
    """Give the folder below which failing cases are saved: the current one, or the clone."""
    return config.invocation_params.dir if is_anywhere(config) else config.rootpath


def find_tests(config: pytest.Config) -> None:
    """Look up the tests that are named in the suite; where none are, take tests/parity."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(TESTS / "parity")]
        return
    names = ((argument, TESTS / argument.partition("::")[0]) for argument in config.args)
    config.args = [str(TESTS / name) if os.path.exists(path) else name for name, path in names]
