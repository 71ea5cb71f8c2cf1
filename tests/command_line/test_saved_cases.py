"""Saved cases at the terminal: where they are, how they are replayed."""

import json
import os
import re

import pytest

from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.adapters.saved_cases.manifest import MANIFEST, load_all
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save
from rnn_lockstep.tests.harness.saving import FOLDER
from tests.command_line.running import run_pytest
from tests.unit.adapters.test_contract import make_case

BACKENDS = """
from dataclasses import replace
from rnn_lockstep.adapters import Facts, Refused
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Transposed(NumpyAdapter):
    facts = Facts("transposed")
    def run(self, case):
        return super().run(replace(case, U=case.U.T))

class WrongGradients(NumpyAdapter):
    facts = Facts("wrong gradients", **EVERYTHING)
    def gradients(self, case, cotangents):
        return {name: -array for name, array in super().gradients(case, cotangents).items()}

class NotArrays(NumpyAdapter):
    facts = Facts("not arrays")
    def run(self, case):
        return [super().run(case)]

class Crashes(NumpyAdapter):
    facts = Facts("crashes", cells=("gru",))
    def run(self, case):
        if case.time > 2:
            raise RuntimeError("segment not found")
        return super().run(case)

class Drifts(NumpyAdapter):
    facts = Facts("drifts")
    def run(self, case):
        U = case.U.astype("float64") * (1 + 5e-6)
        return super().run(replace(case, U=U.astype(case.dtype)))

class Simple(NumpyAdapter):
    facts = Facts("simple")
    def run(self, case):
        if case.activation == "relu":
            raise Refused("no relu today")
        return super().run(case)
"""
FULL = """
from pathlib import Path

def full(self, *data):
    raise OSError(28, "No space left on device")

Path.write_bytes = full
"""
EVERY_STEP = "tests/parity/test_every_step.py::test_every_step"
GRADIENTS = "tests/parity/test_gradients.py::test_gradients"


@pytest.fixture
def their_modules(tmp_path):
    """A folder to import from, with a module `theirs`, and `full`, which fills the disk."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "theirs.py").write_text(BACKENDS)
    (folder / "full.py").write_text(FULL)
    return folder


def saved_in(root):
    return sorted((root / FOLDER).iterdir())


@pytest.mark.parametrize("parallel", [(), ("-n", "1")])
def test_a_failing_case_is_saved_and_replayed(parallel, tmp_path, their_modules):
    wrong = ("--backend", "theirs:Transposed", *parallel)
    run = run_pytest(EVERY_STEP, *wrong, python_path=their_modules, root=tmp_path)
    (path,) = saved_in(tmp_path)
    assert f"again: pytest --replay={path} --backend theirs:Transposed" in run.stdout
    assert re.fullmatch(r"theirs-Transposed-simple_rnn-float32-[0-9a-f]{12}\.safetensors", path.name)
    saved = saved_case.load(path)
    assert "::test_every_step[theirs:Transposed-simple_rnn]" in saved.test
    assert (saved.status, saved.backend) == ("mismatch", "theirs:Transposed")
    assert saved.reason.startswith("right before step 1, wrong there")
    assert saved.case.time == 2
    off = abs(saved.observed["outputs"] - saved.expected["outputs"])
    assert (off > saved.bound["outputs"]).any()

    before = path.read_bytes()
    again = run_pytest("--backend", "numpy", *wrong, f"--replay={path}", python_path=their_modules)
    assert again.returncode == 1
    assert "theirs:Transposed: wrong outputs: " in again.stdout
    assert saved.reason in again.stdout
    assert f"again: pytest --replay={path} --backend theirs:Transposed" in again.stdout
    assert "1 failed, 1 passed" in again.stdout
    assert path.read_bytes() == before
    assert saved_in(tmp_path) == [path]


def test_gradients_are_saved_and_replayed_as_such(tmp_path, their_modules):
    wrong = ("--backend", "theirs:WrongGradients")
    run_pytest(GRADIENTS, "-k", "lstm and not peephole", *wrong, python_path=their_modules, root=tmp_path)
    (path,) = saved_in(tmp_path)
    saved = saved_case.load(path)
    assert saved.cotangents is not None
    assert "gradients.W" in saved.observed.keys() & saved.expected.keys() & saved.bound.keys()
    again = run_pytest(*wrong, "--backend", "theirs:Simple", f"--replay={path}", python_path=their_modules)
    assert "1 failed, 1 skipped" in again.stdout
    assert "theirs:WrongGradients: wrong gradient of" in again.stdout
    assert re.search(r"theirs:Simple refused 1: it does not declare lstm,.* gradients", again.stdout)


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_drift_of_a_saved_case_is_told_and_stays_a_match(parallel, tmp_path, their_modules):
    drifting = ("--backend", "theirs:Drifts")
    test = "tests/parity/test_drift.py::test_drift"
    run = run_pytest(test, *drifting, python_path=their_modules, root=tmp_path)
    assert "theirs:Drifts: drift: right to the proven bound" in run.stdout
    (path,) = saved_in(tmp_path)
    assert saved_case.load(path).status == "drift"
    both = (*drifting, "--backend", "numpy")
    again = run_pytest(*both, f"--replay={path}", *parallel, python_path=their_modules)
    assert again.returncode == 0
    assert "2 passed" in again.stdout
    assert re.search(rf"theirs:Drifts: note: drift in {path.name}: right to .*U acts as if", again.stdout)
    assert "numpy: note" not in again.stdout


def test_an_answer_of_any_form_is_saved_with_its_case(tmp_path, their_modules):
    run_pytest(EVERY_STEP, "--backend", "theirs:NotArrays", python_path=their_modules, root=tmp_path)
    (path,) = saved_in(tmp_path)
    assert saved_case.load(path).reason == "the backend returned list, needs a Trace"


def test_the_case_of_a_crash_is_saved(tmp_path, their_modules):
    run = run_pytest(EVERY_STEP, "--backend", "theirs:Crashes", python_path=their_modules, root=tmp_path)
    (path,) = saved_in(tmp_path)
    saved = saved_case.load(path)
    assert (saved.status, saved.reason) == ("error", "raised RuntimeError: segment not found")
    assert saved.case.time == 4
    assert f"again: pytest --replay={path} --backend theirs:Crashes" in run.stdout


def test_where_it_cannot_be_saved_the_verdict_is_shown(tmp_path, their_modules):
    (tmp_path / FOLDER).touch()  # a file in the place of the folder
    wrong = run_pytest(EVERY_STEP, "--backend", "theirs:Transposed", python_path=their_modules, root=tmp_path)
    assert wrong.returncode == 1
    assert "right before step 1, wrong there" in wrong.stdout
    assert "lockstep: the case could not be saved: File exists" in wrong.stdout
    assert "INTERNALERROR" not in wrong.stdout + wrong.stderr


def test_where_vectors_cannot_be_saved_nothing_is_run(tmp_path, their_modules):
    folder = tmp_path / "vectors"
    run = run_pytest("--backend", "numpy", "-p", "full", f"--save-cases={folder}", python_path=their_modules)
    assert run.returncode == 4
    assert f"--save-cases {folder}: No space left on device" in run.stderr
    assert list(folder.iterdir()) == []


def test_a_replay_that_compares_nothing_fails(tmp_path, their_modules):
    path = tmp_path / "relu.safetensors"
    save(path, SavedCase(make_case(activation="relu"), claim="the second call"))
    replayed = run_pytest("--backend", "theirs:Simple", f"--replay={path}", python_path=their_modules)
    assert replayed.returncode == 1
    assert "theirs:Simple refused 1: no relu today" in replayed.stdout
    assert "relu.safetensors was saved for more than its answer: the second call" in replayed.stdout
    assert "no case was compared, so this run shows nothing" in replayed.stdout


def test_vectors_are_saved_and_replayed_the_same_from_any_number_of_processes(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, parallel in ((one, ()), (two, ("-n", "2"))):
        run = run_pytest("--backend", "numpy", f"--save-cases={folder}", *parallel)
        assert run.returncode == 0
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }
    listed = json.loads((one / MANIFEST).read_text())["cases"]
    assert f"{len(listed)} passed" in run.stdout
    assert set(os.listdir(one)) == {MANIFEST, *(entry["file"] for entry in listed)}
    for saved in load_all(one).values():
        assert (saved.backend, saved.observed, saved.versions) == ("", {}, {})
        assert saved.expected.keys() == saved.bound.keys() != set()
    os.remove(one / listed[0]["file"])
    replayed = run_pytest("--backend", "numpy", f"--replay={one}")
    assert replayed.returncode == 4
    assert f"{listed[0]['file']}' is not a saved case: No such file or directory" in replayed.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--replay={}/file", "file' is not a saved case: "),
        (f"--replay={'x' * 300}", "is not a saved case: File name too long"),
        ("--save-cases={}/file/below", "--save-cases {}/file/below: Not a directory"),
        (f"--save-cases={'x' * 300}", "x: File name too long"),
        (f"--known-failures={'x' * 300}", "x: File name too long"),
        (f"--lockstep-report={'x' * 300}.json", "... cannot be written: File name too long"),
    ],
)
def test_bad_paths_are_usage_errors_in_one_line(option, message, tmp_path):
    (tmp_path / "file").write_text("not a case")
    run = run_pytest("tests/parity", option.format(tmp_path))
    assert run.returncode == 4
    assert message.format(tmp_path) in run.stderr
    assert "Traceback" not in run.stderr + run.stdout
