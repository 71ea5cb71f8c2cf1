"""A clone is tested as it is installed, and says so in one line where it is not."""

import shutil
import subprocess
import sys

import pytest

from tests.command_line.running import ROOT, as_a_user

PYTEST = "import sys, pytest; sys.exit(pytest.main(['-p', 'no:cacheprovider', '--backend', 'numpy']))"
# Without the module `site` no editable install is found, and these folders' packages still are.
UNINSTALLED = f"import sys; sys.path += {[path for path in sys.path if path.endswith('site-packages')]}; "


def python(*arguments, cwd):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=as_a_user(), capture_output=True, text=True)


@pytest.fixture
def other_clone(tmp_path):
    """The folder of another clone, as far as pytest sees it before it collects."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_clone_that_is_not_installed_says_so_in_one_line(other_clone):
    run = python("-S", "-c", UNINSTALLED + PYTEST, cwd=other_clone)
    assert run.returncode == 4
    assert run.stderr == f"ERROR: rnn_lockstep is not installed; in {other_clone}: pip install -e .\n\n"


def test_a_clone_beside_the_one_that_is_installed_says_so_in_one_line(other_clone):
    run = python("-c", PYTEST, cwd=other_clone)
    assert run.returncode == 4
    assert run.stderr.startswith(f"ERROR: the rnn_lockstep that is installed is that of {ROOT}; ")
    assert run.stderr.endswith(f"; in {other_clone}: pip install -e .\n\n")


@pytest.mark.parametrize("name", ["adapters", "reference", "tests.harness"])
def test_a_folders_own_name_is_not_its_import_name(name):
    run = python("-c", f"import {name}", cwd=ROOT)
    assert run.stderr.splitlines()[-1] == f"ImportError: the import name is rnn_lockstep.{name}, not {name}"
