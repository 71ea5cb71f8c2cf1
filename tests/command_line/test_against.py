"""A run beside an earlier one, --against: what fails anew, and whose answers have other bits."""

import json

import jsonschema

from rnn_lockstep.tests.harness.report.as_json import SCHEMA
from tests.command_line.running import run_pytest

THEIRS = """
import os
from dataclasses import replace
import numpy as np
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

VERSION = os.environ["THEIRS"]

class Port(NumpyAdapter):
    facts = Facts("port", VERSION, cells=("simple_rnn",), biases=(1,), lengths=True, reverse=True)

    def run(self, case):
        trace = super().run(replace(case, reverse=False) if VERSION == "2" else case)
        if VERSION == "2" and case.dtype == "float64" and case.time and not case.padded:
            for array in trace.arrays().values():
                array[:] = np.nextafter(array, 0)
        return trace
"""
PARITY = "tests/parity"
TESTS = (
    f"{PARITY}/test_every_step.py::test_every_step",
    f"{PARITY}/test_reverse.py::test_reverse",
    f"{PARITY}/test_gradients.py::test_gradients",
)
OPTIONS = ("--backend=theirs:Port", "--max-examples=16", "--known-failures=none")


def run(version, folder, monkeypatch, *more):
    """Run a few tests on a version of a backend, and return the run and its report."""
    monkeypatch.setenv("THEIRS", version)
    path = folder / f"{version}.json"
    done = run_pytest(*TESTS, *OPTIONS, f"--lockstep-report={path}", *more, python_path=folder)
    content = json.loads(path.read_text())
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    return done, content


def test_a_run_is_set_beside_an_earlier_one(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(THEIRS)
    first, before = run("1", tmp_path, monkeypatch)
    assert first.returncode == 0, first.stdout
    assert "against" not in before
    [backend] = before["backends"]
    outcomes = {test["test"]: test["outcome"] for test in backend["tests"]}
    assert outcomes["test_every_step[simple_rnn]"] == "passed"
    assert outcomes["test_gradients[simple_rnn]"] == "skipped"
    assert backend["features"]["reverse"].keys() == {"match"}
    assert "gradients" not in backend["features"]

    second, now = run("2", tmp_path, monkeypatch, f"--against={tmp_path / '1.json'}", "-n1")
    [change] = now["against"]
    assert (change["before"], change["now"], change["mended"]) == ("1", "2", [])
    new = {test for each in change["new"] for test in each["tests"]}
    assert new == {"test_reverse[simple_rnn]"}
    assert "test_every_step[simple_rnn] float64" in change["other_bits"]
    assert "test_every_step[simple_rnn] float32" not in change["other_bits"]
    assert (
        f"lockstep: theirs:Port 2 beside 1: {len(change['new'])} new, 0 mended, other bits in "
        in second.stdout
    )
    assert "lockstep:   new: " in second.stdout
    blamed = {name for group in now["failures"] for each in group["messages"] for name in each["features"]}
    assert blamed == {"reverse"}


def test_what_is_no_report_is_one_line(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    done = run_pytest(*TESTS, "--backend=numpy", f"--against={tmp_path / 'a.json'}")
    told = (
        f"{tmp_path}/a.json: is no report of --lockstep-report NAME.json, needs one of form 2: make it anew"
    )
    assert (done.returncode, done.stderr) == (4, f"ERROR: --against {told}\n\n")


VARYING = """
from dataclasses import replace
import numpy as np
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Silent(NumpyAdapter):
    facts = Facts("silent", "1", dtypes=("float64",))
    calls = 0

    def run(self, case):
        trace = super().run(case)
        self.calls += 1
        if self.calls % 2 and case.time:
            for array in trace.arrays().values():
                array[:] = np.nextafter(array, 0)
        return trace

class Varies(Silent):
    facts = replace(Silent.facts, varies=True)
"""


def test_bits_may_change_from_call_to_call_of_a_backend_that_says_so(tmp_path):
    (tmp_path / "theirs.py").write_text(VARYING)
    backends = ("--backend=theirs:Silent", "--backend=theirs:Varies")
    path = tmp_path / "report.json"
    repeat = f"{PARITY}/test_repeat.py"
    options = ("--max-examples=8", f"--lockstep-report={path}")
    done = run_pytest(repeat, *backends, *options, python_path=tmp_path)
    assert "theirs:Silent answers the same case differently the second time" in done.stdout, done.stdout
    silent, varies = json.loads(path.read_text())["backends"]
    assert {test["outcome"] for test in silent["tests"]} == {"failed", "passed"}
    assert {test["outcome"] for test in varies["tests"]} == {"passed"}
    assert any(test["digests"] for test in silent["tests"])
    assert not any(test["digests"] for test in varies["tests"])


def test_a_test_has_the_whole_name_of_its_backend(tmp_path):
    """Pytest would name it backend0 where the name has more than a hundred characters."""
    name = "theirs_" + "x" * 100
    (tmp_path / f"{name}.py").write_text(VARYING)
    test = f"{PARITY}/test_every_step.py::test_every_step"
    done = run_pytest(test, "--collect-only", "-q", f"--backend={name}:Silent", python_path=tmp_path)
    assert f"::test_every_step[{name}:Silent-simple_rnn]" in done.stdout, done.stdout
