"""Known failures: an entry excuses what it tells of, as long as its own case fails; a draft of one works."""

import os
import tomllib
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save
from rnn_lockstep.tests.harness.known_failures.draft import Draft, entry
from rnn_lockstep.tests.harness.known_failures.entries import (
    InvalidKnownFailures,
    KnownFailure,
    read_entries,
)
from rnn_lockstep.tests.harness.known_failures.kept import FOLDER, kept
from tests.command_line.running import run_pytest
from tests.unit.adapters.test_contract import make_case

BIASED = "tests.faults.catalogue:bias_dropped_of_a_simple_rnn"
TEST = "tests/parity/test_every_step.py::test_every_step"
ENTRY = """
[[known_failure]]
backend = "{backend}"
reason = "b is dropped"
link = "https://example.org/1"
case = "case.safetensors"
test = "test_every_*"
condition = {{ cell = "simple_rnn", dtype = ["float32", "float64"], hidden_size = {{ min = 1 }} }}
"""


BIASED_PORT = """
from dataclasses import replace
from {catalogue} import {fault}

class Port:
    def __init__(self):
        self.faulty = {fault}()
        self.facts = replace(self.faulty.facts, version="1.5 (of something 7)", gradients=False)

    def run(self, case):
        return self.faulty.run(case)
"""
RAISING = """
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Raising(NumpyAdapter):
    def run(self, case):
        if case.dtype == "float32":
            raise TypeError("no such type")
        return super().run(case)
"""
NOT_A_NUMBER = """
import numpy as np
from rnn_lockstep.adapters import Trace
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class NotANumber(NumpyAdapter):
    def run(self, case):
        right = super().run(case)
        return Trace(*(np.full_like(array, np.nan) for array in right.arrays().values()))
"""


def written(folder, text):
    """The file, with the case that entries name beside it."""
    save(folder / "case.safetensors", SavedCase(make_case()))
    file = folder / "known.toml"
    file.write_text(text)
    return file


def run_with(file, *arguments):
    return run_pytest("--max-examples=20", f"--known-failures={file}", "-rx", *arguments)


def test_an_entry_excuses_what_it_tells_of_and_no_more(tmp_path):
    file = written(tmp_path, ENTRY.format(backend=BIASED))
    other = "tests/parity/test_notebook.py"
    run = run_with(file, TEST, other, "--backend", BIASED, "--backend", "numpy")
    assert "2 failed, 7 passed, 1 xfailed" in run.stdout, run.stdout
    assert f"{BIASED}: fails as is known in " in run.stdout
    assert "b is dropped (https://example.org/1)" in run.stdout
    assert "in 2 tests: b is dropped" in run.stdout  # the notebook is no test of the entry


@pytest.mark.parametrize("where", [(TEST,), ("tests/parity", "-k", "known_failure or notebook")])
def test_an_entry_that_no_longer_fails_fails_the_run(where, tmp_path):
    file = written(tmp_path, ENTRY.format(backend="numpy"))
    run = run_with(file, *where, "--backend", "numpy")
    assert run.returncode == 1
    assert "no longer fails, remove its entry: b is dropped (https://example.org/1)" in run.stdout


@pytest.mark.parametrize(
    ("versions", "version", "has"),
    [
        ("", "unknown", True),
        ("<3.16", "unknown", False),
        ("<3.16", "", False),
        ("<3.16", "3.15.1 (tensorflow 2.21.0)", True),
        ("<3.16", "3.16.0rc1", False),
        (">=2.13,<3", "2.13.0+cpu", True),
    ],
)
def test_an_entry_may_be_for_some_versions(versions, version, has):
    entry = KnownFailure("keras", "", "", SavedCase(make_case()), versions=versions)
    assert entry.has(version) is has
    assert [entry.is_of(name) for name in ("keras", "keras@/a/python", "keras:jax")] == [True, True, False]


def test_an_entry_may_be_of_several_backends(tmp_path):
    text = ENTRY.format(backend="numpy")
    file = written(tmp_path, text.replace('"numpy"', '["numpy", "keras:eager"]'))
    assert [entry.backend for entry in read_entries(file)] == ["numpy", "keras:eager"]
    for names, reason in (('["numpy", "nunpy"]', "unknown backend 'nunpy'"), ("[]", "needs backend")):
        with pytest.raises(InvalidKnownFailures, match=f"entry 1: {reason}"):
            read_entries(written(tmp_path, text.replace('"numpy"', names)))


@pytest.mark.parametrize(("versions", "outcome"), [("<2", "1 xfailed"), (">=2", "1 failed, 1 skipped")])
def test_an_entry_for_other_versions_excuses_nothing_and_fails_nothing(versions, outcome, tmp_path):
    text = BIASED_PORT.format(catalogue=BIASED.partition(":")[0], fault=BIASED.partition(":")[2])
    (tmp_path / "biased.py").write_text(text)
    entry = ENTRY.format(backend="biased:Port").replace("test =", f'versions = "{versions}"\ntest =')
    file = written(tmp_path, entry)
    options = ("--max-examples=20", f"--known-failures={file}", "-rxs", TEST, "--backend", "biased:Port")
    run = run_pytest(*options, python_path=tmp_path)
    assert outcome in run.stdout, run.stdout
    why = "biased:Port 1.5 (of something 7) is not one of >=2, which have it: b is dropped"
    assert (why in run.stdout) == (versions != "<2")


def test_a_backend_that_raises_is_excused_in_a_test_without_examples_too(tmp_path):
    (tmp_path / "raising.py").write_text(RAISING)
    entry = ENTRY.format(backend="raising:Raising").replace("test_every_*", "*")
    file = written(tmp_path, entry)
    arguments = ("tests/parity/test_notebook.py", "--backend", "raising:Raising", "-rx")
    run = run_pytest(f"--known-failures={file}", *arguments, python_path=tmp_path)
    assert "1 passed, 2 xfailed" in run.stdout, run.stdout
    assert "raising:Raising: fails as is known in 1 cases" in run.stdout
    assert " is wrong as is known, in 1 cases, and in no other way\n" in run.stdout


def test_every_entry_that_is_kept_is_found_by_its_backend():
    files = sorted(FOLDER.glob("*.toml"))
    for framework in ("keras", "jax", "torch", "onnx", "onnxruntime", "flax"):
        if find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed")
    known = [each for file in files for each in read_entries(file)]
    assert len(files) >= 6
    for backend in {each.backend for each in known}:
        assert [each.case for each in kept([backend])] == [e.case for e in known if e.backend == backend]
    cases = {path.name for path in (FOLDER / "cases").iterdir()}
    assert {each.case.removeprefix("cases/") for each in known} == cases
    assert kept(["numpy", "keras"]) == []
    elsewhere = [each.case for each in kept(["keras:jax@/another/python"])]
    assert elsewhere == [each.case for each in kept(["keras:jax"])] != []


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [("biases_dropped", "1 xfailed"), ("u_transposed", "2 failed"), ("lengths_ignored", "2 failed")],
)
def test_an_entry_that_says_how_it_fails_excuses_no_other_failure(shown, outcome, tmp_path):
    text = ENTRY.format(backend=BIASED).replace("test =", f'shows = {{ mistake = "{shown}" }}\ntest =')
    run = run_with(written(tmp_path, text), TEST, "--backend", BIASED)
    assert outcome in run.stdout, run.stdout


def test_what_is_kept_applies_where_no_file_is_given():
    pytest.importorskip("onnx")
    arguments = ("--max-examples=40", "--backend", "onnx", "-k", "known_failure or (padded and simple_rnn)")
    run = run_pytest(*arguments, "tests/parity")
    assert "1 passed" in run.stdout, run.stdout
    assert f"{len(kept(['onnx']))} xfailed" in run.stdout
    assert " and in no other way\n" in run.stdout
    one = run_pytest(*arguments, "tests/parity/test_lengths.py")
    assert "1 passed, " in one.stdout, one.stdout  # and no case of an entry was run
    assert "xfailed" not in one.stdout
    assert run_pytest(*arguments, "tests/parity", "--known-failures=none").returncode == 1


def test_a_draft_is_a_file_that_excuses_what_failed(tmp_path):
    file = tmp_path / "known.toml"
    first = run_pytest(
        "--max-examples=20", f"--write-known-failures={file}", TEST, "--backend", BIASED, root=tmp_path
    )
    assert "1 known failures drafted" in first.stdout, first.stdout
    [entry] = read_entries(file)
    assert (entry.backend, entry.reason, entry.condition["cell"]) == (BIASED, "b is dropped", "simple_rnn")
    assert entry.shows == {"mistake": "bias_dropped"}
    again = run_pytest(f"--write-known-failures={file}", TEST, "--backend", BIASED)
    assert "needs a new .toml file in a folder" in again.stderr
    assert "1 xfailed" in run_with(file, TEST, "--backend", BIASED).stdout


@pytest.mark.parametrize(
    ("named", "test", "shows"),
    [
        ("raising:Raising", "test_every_step", {"raises": ["TypeError: no such type"]}),
        ("tests.faults.catalogue:float64_computed_in_float32", "test_every_step", {"dtype": "float32"}),
        ("not_a_number:NotANumber", "test_every_step", {"only": "NaN"}),
        ("tests.faults.catalogue:final_state_is_zero", "test_every_step", {"mistake": "final_state_is_zero"}),
        (
            "tests.faults.catalogue:gradients_bias_missing",
            "test_gradients",
            {"mistake": "gradients_bias_missing"},
        ),
        (
            "tests.faults.catalogue:gradients_bias_counted_once",
            "test_gradients_in_float32",
            {"gradients": ["b"]},
        ),
        ("tests.faults.catalogue:u_too_large_by_a_millionth", "test_drift", {"drift": True}),
    ],
)
def test_a_draft_says_what_failures_show(named, test, shows, tmp_path):
    (tmp_path / "raising.py").write_text(RAISING)
    (tmp_path / "not_a_number.py").write_text(NOT_A_NUMBER)
    options = ("--max-examples=20", f"--write-known-failures={tmp_path / 'known.toml'}", "--backend", named)
    of_test = ("tests/parity", "-k", f"{test}[ or {test}-")
    run = run_pytest(*options, *of_test, root=tmp_path, python_path=tmp_path)
    assert "known failures drafted in" in run.stdout, run.stdout
    assert shows in [entry.shows for entry in read_entries(tmp_path / "known.toml")]


def test_a_condition_may_ask_for_rows_without_steps(tmp_path):
    file = written(tmp_path, ENTRY.format(backend="numpy").replace("hidden_size", "shortest"))
    [entry] = read_entries(file)
    case = entry.saved.case
    some = replace(case, lengths=np.array([3, 1]))
    none = replace(case, lengths=np.array([0, 3]))
    assert [entry.is_about("test_every_step", each) for each in (case, some, none)] == [True, True, False]


def test_what_is_left_out_of_a_draft_is_told_with_the_reason(tmp_path):
    options = ("--max-examples=20", f"--write-known-failures={tmp_path / 'known.toml'}", "--backend", BIASED)
    (tmp_path / ".lockstep").write_text("a file, where a folder is needed")
    unsaved = "lockstep: 0 known failures drafted; left out are 1 whose case was not saved (File exists)\n"
    assert unsaved in run_pytest(*options, TEST, root=tmp_path).stdout
    assert (
        "left out are 1 whose case was not saved (saving is turned off)\n"
        in run_pytest(*options, TEST).stdout
    )
    session = SimpleNamespace(failures=[{"claim": "a law", "saved": saved} for saved in ("", "x", "")])
    draft = Draft(tmp_path / "known.toml", session)
    draft.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace()))
    assert draft.said == "0 known failures drafted; left out are 3 that depend on more than one case"
    assert os.listdir(tmp_path) == [".lockstep"]


def test_a_draft_can_be_read_whatever_the_cause(tmp_path):
    failure = {"backend": "numpy", "layer": "lstm float32", "saved": "x", "cause": "no \x1b \x7f \U0001f600"}
    drafts = (entry([failure | {"shows": shows}]) for shows in ({}, {"raises": ['a \\" b']}))
    one, other = (tomllib.loads(text)["known_failure"][0] for text in drafts)
    assert one["reason"] == r"no ? ? \U0001f600"
    assert (one.get("shows"), other["shows"]) == (None, {"raises": ['a \\" b']})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("[[known_failure]]", "[[known]]"), "needs tables [[known_failure]], and has no others"),
        (('reason = "b is dropped"', ""), "entry 1: needs reason"),
        (('reason = "b is dropped"', "reason = 3"), "entry 1: reason must be a string"),
        (("link", "url"), "entry 1: has url; there are backend, case, reason, link, versions, test"),
        (("test =", 'versions = "3.16 and newer"\ntest ='), "entry 1: versions is '3.16 and newer', needs"),
        (('"numpy"', '"nunpy"'), "entry 1: unknown backend 'nunpy'"),
        (('"case.safetensors"', '"none.safetensors"'), "none.safetensors"),
        (('"test_every_*"', '"test_nothing"'), "entry 1: no parity test is called test_nothing"),
        (("hidden_size =", "size ="), "entry 1: no condition size; there are cell, activation"),
        (('"simple_rnn"', '"lstm"'), "entry 1: its condition does not hold for its own case"),
        (("{ min = 1 }", '{ min = "x" }'), "entry 1: "),
        (
            ("test =", 'shows = { cause = "x" }\ntest ='),
            "entry 1: shows cause; there are raises, mistake, dtype",
        ),
        (("test =", 'shows = { mistake = "x" }\ntest ='), "entry 1: mistake cannot be 'x'"),
        (("]]", "]"), "known.toml"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, change, reason):
    text = ENTRY.format(backend="numpy")
    file = written(tmp_path, text.replace(*change))
    with pytest.raises(InvalidKnownFailures) as error:
        read_entries(file)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    if change[0] == "[[known_failure]]":
        run = run_with(file, "--backend", "numpy")
        assert (run.returncode, run.stderr) == (4, f"ERROR: {error.value}\n\n")


def test_neither_test_nor_condition_is_an_entry_for_everything(tmp_path):
    text = "\n".join(line for line in ENTRY.splitlines() if not line.startswith(("test", "condition")))
    with pytest.raises(InvalidKnownFailures, match="needs a test or a condition"):
        read_entries(written(tmp_path, text.format(backend="numpy")))


@pytest.mark.parametrize(
    ("condition", "excused"),
    [({}, True), ({"time": 3}, True), ({"time": [1, 2]}, False), ({"time": {"min": 4}}, False)],
)
def test_conditions(condition, excused):
    case = make_case()
    entry = KnownFailure("numpy", "", "", SavedCase(case), condition=condition | {"batch": 2})
    assert entry.is_about("test_every_step", case) == excused
