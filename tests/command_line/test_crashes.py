"""Errors in the place of an answer, of whatever kind: the case is saved, the message says what was raised."""

import json
import re

import pytest

from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.tests.harness.saving import FOLDER
from tests.command_line.running import run_pytest

BACKENDS = '''
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Base(BaseException):
    pass

class CannotSay(RuntimeError):
    def __str__(self):
        raise ValueError("no")

class Raises(NumpyAdapter):
    facts = Facts("raises")
    def run(self, case):
        if case.time > 2:
            raise self.error()
        return super().run(case)

class Exits(Raises):
    error = lambda self: SystemExit(3)

class Generator(Raises):
    error = GeneratorExit

class Bare(Raises):
    error = Base

class Silent(Raises):
    error = CannotSay

class Several(Raises):
    error = lambda self: ExceptionGroup("two", [ValueError("a"), RuntimeError("b")])

class Long(Raises):
    error = lambda self: RuntimeError("x\\ny" * 1000)

class Asserts(Raises):
    error = lambda self: AssertionError("not contiguous")

class Skips(Raises):
    error = lambda self: pytest.skip.Exception("not today")

class Fails(Raises):
    error = lambda self: pytest.fail.Exception("not today")

class NowAndThen(NumpyAdapter):
    """Does something else at every fiftieth call."""
    facts = Facts("now and then")
    calls = 0
    def run(self, case):
        self.calls += 1
        trace = super().run(case)
        return trace if self.calls % 50 else self.otherwise(trace)

class WrongNowAndThen(NowAndThen):
    def otherwise(self, trace):
        return replace(trace, outputs=trace.outputs + 1)

class RaisesNowAndThen(NowAndThen):
    def otherwise(self, trace):
        raise RuntimeError("out of handles")

class ExitsNowAndThen(NowAndThen):
    def otherwise(self, trace):
        raise SystemExit(3)

class Either(Raises):
    calls = 0
    def error(self):
        self.calls += 1
        return ValueError("a") if self.calls % 2 else RuntimeError("b")

class Overwrites(NumpyAdapter):
    facts = Facts("overwrites")
    def run(self, case):
        trace = super().run(case)
        case.inputs[...] = 0
        return trace

class Huge(NumpyAdapter):
    """The outputs are a view of one number."""
    facts = Facts("huge")
    def run(self, case):
        return replace(super().run(case), outputs=np.broadcast_to(case.inputs.dtype.type(2), (2**20,) * 2))

class Unstorable(NumpyAdapter):
    """The outputs are an array that cannot be copied."""
    facts = Facts("unstorable")
    def run(self, case):
        trace = super().run(case)
        return replace(trace, outputs=(trace.outputs + 1).view(Guarded))

class Guarded(np.ndarray):
    def __array_finalize__(self, other):
        pass
    def __array__(self, *args, **kwargs):
        raise TypeError("no copies")
    @property
    def nbytes(self):
        raise TypeError("no size")
'''
EVERY_STEP = "tests/parity/test_every_step.py::test_every_step"
ARGUMENTS = "tests/parity/test_repeat.py::test_arguments_are_left_alone"
UNSTEADY = "it does not always answer the same case alike"


@pytest.fixture
def run(tmp_path):
    """Run a test on some of the backends, and find the cases that were saved."""
    (tmp_path / "theirs.py").write_text(BACKENDS)

    def run(names, test=EVERY_STEP, *arguments):
        wrong = (*(f"--backend=theirs:{name}" for name in names.split()), *arguments)
        found = run_pytest(test, *wrong, python_path=tmp_path, root=tmp_path, in_process=False)
        assert "INTERNALERROR" not in found.stdout + found.stderr
        folder = tmp_path / FOLDER
        return found, sorted(folder.glob("*.safetensors")) if folder.exists() else []

    return run


def of_backend(name, paths):
    """The saved cases of a backend."""
    return [path for path in paths if path.name.startswith(f"theirs-{name}-")]


def needs_again(stdout, path, name):
    """Fail unless the message says how the case at the path is run again."""
    assert f"  saved: {path}\n" in stdout
    assert f"  again: pytest --replay={path} --backend theirs:{name}\n" in stdout


def test_every_error_is_a_failure_with_its_case(run):
    reasons = {
        "Exits": "raised SystemExit: 3",
        "Generator": "raised GeneratorExit",
        "Bare": "raised Base",
        "Silent": "raised CannotSay: a CannotSay without a text: its __str__ raises ValueError",
        "Several": "raised ExceptionGroup: two (2 sub-exceptions): ValueError: a; RuntimeError: b",
        "Asserts": "raised AssertionError: not contiguous",
    }
    found, paths = run(" ".join(reasons))
    assert len(paths) == len(reasons)
    for name, reason in reasons.items():
        [path] = of_backend(name, paths)
        saved = saved_case.load(path)
        assert (saved.status, saved.reason, saved.claim) == ("error", reason, "")
        assert f"theirs:{name}: {reason}\n  case: {saved.case}\n" in found.stdout
        assert f"theirs:{name}, in 1 tests: {reason}\n" in found.stdout
        needs_again(found.stdout, path, name)


def test_a_long_message_is_one_line(run):
    found, [path] = run("Long")
    line = "raised RuntimeError: x yx yx y"
    assert saved_case.load(path).reason.startswith(line)
    assert re.search(rf"theirs:Long, in 1 tests: {line}.{{,300}}\n", found.stdout)


def test_outcomes_of_pytest_are_no_crash(run):
    found, saved = run("Skips Fails", EVERY_STEP, "--in-process")
    assert saved == []
    assert "what is wrong" not in found.stdout


def test_a_backend_in_a_process_of_its_own_skips_no_test(run):
    found, [path] = run("Skips")
    assert found.returncode == 1
    assert saved_case.load(path).reason == "raised Skipped: not today"


def test_what_fails_now_and_then_is_said_to(run):
    reasons = {
        "WrongNowAndThen": "wrong outputs: wrong from the first step",
        "RaisesNowAndThen": "raised RuntimeError: out of handles",
        "ExitsNowAndThen": "raised SystemExit: 3",
    }
    found, paths = run(" ".join(reasons))
    assert len(paths) == len(reasons)
    assert "Exception Group Traceback" not in found.stdout
    assert "FlakyFailure" not in found.stdout
    for name, reason in reasons.items():
        [path] = of_backend(name, paths)
        said = f"{reason}; {UNSTEADY}: this failed once, and not when it was run again"
        assert f"theirs:{name}: {said}" in found.stdout
        assert saved_case.load(path).reason == said.removeprefix("wrong outputs: ")
        needs_again(found.stdout, path, name)


def test_what_fails_otherwise_the_next_time_is_said_to(run):
    found, [path] = run("Either")
    said = f"{UNSTEADY}: this failed otherwise when it was run again: RuntimeError: b"
    assert f"theirs:Either: raised ValueError: a; {said}" in found.stdout
    needs_again(found.stdout, path, "Either")


def test_an_assertion_of_a_test_is_run_again_by_the_test(run):
    found, [path] = run("Overwrites", ARGUMENTS)
    assert "theirs:Overwrites, in 1 tests: changed the inputs it was given\n" in found.stdout
    assert saved_case.load(path).claim == "an assertion of the test"
    test = f"'{ARGUMENTS}[theirs:Overwrites-simple_rnn]'"
    assert f"  again: pytest {test} --backend theirs:Overwrites\n" in found.stdout


def test_of_an_answer_that_no_file_can_hold_the_case_is_saved(run):
    found, paths = run("Huge Unstorable")
    assert len(paths) == 2
    assert "could not be saved" not in found.stdout
    for name in ("Huge", "Unstorable"):
        [path] = of_backend(name, paths)
        assert saved_case.load(path).observed == {}
        needs_again(found.stdout, path, name)


def test_reports_and_drafts_have_a_crash(run, tmp_path):
    report, draft = tmp_path / "report.json", tmp_path / "known.toml"
    run("Exits", EVERY_STEP, f"--lockstep-report={report}", f"--write-known-failures={draft}")
    [group] = json.loads(report.read_text())["failures"]
    assert (group["backend"], group["cause"]) == ("theirs:Exits", "raised SystemExit: 3")
    assert 'reason = "raised SystemExit: 3"' in draft.read_text()
