"""The command that a failure names runs it again, pasted where the run was started.

For rnn-lockstep's own command see test_console.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line.running import ROOT, as_a_user

THEIRS = """
from dataclasses import replace
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Transposed(NumpyAdapter):
    facts = Facts("transposed")
    def run(self, case):
        return super().run(replace(case, U=case.U.T))

class DriftsLate(NumpyAdapter):
    facts = Facts("drifts late")
    count = 0
    def run(self, case):
        self.count += 1
        U = case.U.astype("float64") * (1 + 5e-6)
        return super().run(replace(case, U=U.astype(case.dtype)) if self.count > 10 else case)
"""
PARITY = ROOT / "tests" / "parity"
EVERY_STEP, LAWS = "test_every_step.py::test_every_step", "test_laws.py::test_batch_is_its_rows"


def shell(command, folder, modules="", root=""):
    """Run a line in a folder as a user who pastes it there. root: in whose .lockstep/ cases are saved."""
    options = "--hypothesis-profile=ci -p no:cacheprovider --in-process" + (
        f" --rootdir='{root}'" if root else ""
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = as_a_user(PATH=path, PYTHONPATH=str(modules), COLUMNS="150")
    environment["PYTEST_ADDOPTS"] = options
    return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("folder", "suite"),
    [(ROOT, "tests/parity"), (ROOT / "adapters", "../tests/parity"), ("somewhere else", f"'{PARITY}'")],
)
def test_it_is_run_again_where_the_run_was_started(folder, suite, tmp_path):
    (tmp_path / "theirs.py").write_text(THEIRS)
    folder = tmp_path / folder  # an absolute one stays as it is
    folder.mkdir(exist_ok=True)
    root = tmp_path / "saved cases"  # a name to be quoted
    root.mkdir()
    tests = " ".join(f"{suite}/{test}" for test in (EVERY_STEP, LAWS))
    run = shell(f"pytest {tests} --backend theirs:Transposed", folder, tmp_path, root)
    assert run.returncode == 1, run.stdout + run.stderr
    commands = list(dict.fromkeys(re.findall(r"again: (pytest .*)", run.stdout)))
    assert ["--replay=" in again for again in commands] == [True, False]  # a law needs more than a case
    lines = list(dict.fromkeys(re.findall(r"^E +AssertionError: (theirs:.*)", run.stdout, re.MULTILINE)))
    for again, line in zip(commands, lines, strict=True):
        repeated = shell(again, folder, tmp_path, root)
        assert repeated.returncode == 1, repeated.stdout + repeated.stderr
        assert "1 failed in" in repeated.stdout
        assert line in repeated.stdout
        assert f"again: {again}" in repeated.stdout


def test_drift_is_seen_again_in_as_many_cases(tmp_path):
    """By default it is not: there are ten."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    test = "tests/parity/test_drift.py::test_drift --backend theirs:DriftsLate"
    assert shell(f"pytest {test}", ROOT, tmp_path, tmp_path).returncode == 0
    run = shell(f"pytest {test} --max-examples 240", ROOT, tmp_path, tmp_path)
    [again] = set(re.findall(r"again: (pytest .*)", run.stdout))
    assert again.endswith(" --backend theirs:DriftsLate --max-examples 240")
    repeated = shell(again, ROOT, tmp_path, tmp_path)
    assert "1 failed in" in repeated.stdout
    assert "theirs:DriftsLate: drift: right to the proven bound, but U acts as if" in repeated.stdout
