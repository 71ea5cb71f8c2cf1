"""The matrix: what changed between two reports, the state of each cell, the page, the environments."""

import json
import os
import re
import sys

import jsonschema
import pytest

from rnn_lockstep.adapters.backends.registry import BUILT_IN
from rnn_lockstep.tests.harness.features import FEATURES
from rnn_lockstep.tests.harness.matrix.command import main
from rnn_lockstep.tests.harness.matrix.environments import (
    NotMade,
    backends_of,
    environment,
    error_in,
    packages_of,
    requirements,
)
from rnn_lockstep.tests.harness.matrix.page import page
from rnn_lockstep.tests.harness.matrix.states import rows
from rnn_lockstep.tests.harness.matrix.table import WIDTH, table
from rnn_lockstep.tests.harness.report.as_json import SCHEMA
from rnn_lockstep.tests.harness.report.changes import changes, told
from tests.command_line.running import ROOT

PLACE = "@/a/long/path/to/some/environment/bin/python"


def ran(test, outcome="passed", known=(), **digests):
    """What a report tells of a test."""
    return {"test": test, "outcome": outcome, "known": dict.fromkeys(known, 1), "digests": digests}


def report(version, tests, name="keras", features=None, known=(), failures=(), errors=()):
    """A report of one backend."""
    backend = {
        **{"name": name, "facts": f"{name} {version}", "not_tested": "masks", "version": version},
        **{"scores": [], "trends": [], "guarantees": [], "fingerprint": {}},
        **{"tests": tests, "features": features or {}, "known": list(known)},
    }
    return {
        **{"lockstep_report": 2, "created": "2026-01-31T23:59:59+00:00", "seconds": 1.0, "exit_status": 0},
        **{"max_examples": 10, "same_cases": True, "platform": "Linux x86_64"},
        "tests": {"passed": 1, "failed": 0, "skipped": 0},
        **{"backends": [backend], "not_installed": [], "failures": list(failures), "errors": list(errors)},
        **{"faults": [], "diagnosed": []},
    }


def failed(cause, tests, features, name="keras"):
    """A group of failures of a report."""
    tests = [f"parity/a.py::{test.replace('[', f'[{name}-')}" for test in tests]
    message = {"message": f"{name}: {cause}\n<b>", "tests": tests, "saved": [], "features": features}
    return {"backend": name, "cause": cause, "count": len(tests), "messages": [message]}


BEFORE = report(
    "3.12.0",
    [
        ran("test_a[gru]", "failed"),
        ran("test_b[gru]", float32="00000000:aaaaaa 00000001:bbbbbb 00000002:cccccc"),
        ran("test_c[gru]", known=["h is cut"]),
        ran("test_d[gru]", "skipped"),
        ran("test_e[gru]"),
        ran("test_known_failure[k]", "known", known=["h is cut"]),
    ],
    failures=[failed("U is transposed", ["test_a[gru]"], ["gru", "float32"])],
)
NOW = report(
    "3.15.1",
    [
        ran("test_a[gru]"),
        ran("test_b[gru]", float32="00000000:aaaaaa 00000001:ffffff 00000009:cccccc"),
        ran("test_c[gru]"),
        ran("test_d[gru]", "failed"),
        ran("test_e[gru]", "failed"),
        ran("test_known_failure[k]", "mended"),
    ],
    name=f"keras{PLACE}",
    failures=[failed("it ignores lengths: the same bits", ["test_e[gru]"], ["lengths"], f"keras{PLACE}")],
)


def test_changes_are_those_of_tests_that_both_have_run():
    [change] = changes(BEFORE, NOW)
    assert change == {
        **{"backend": "keras", "before": "3.12.0", "now": "3.15.1"},
        "new": [{"cause": "it ignores lengths: the same bits", "tests": ["test_e[gru]"]}],
        "mended": [
            {"cause": "U is transposed", "tests": ["test_a[gru]"]},
            {"cause": "h is cut (known)", "tests": ["test_c[gru]", "test_known_failure[k]"]},
        ],
        **{"same_cases": 2, "other_bits": {"test_b[gru] float32": 1}},
        "notes": ["1 test not run in both"],
    }
    jsonschema.validate(NOW | {"against": [change]}, json.loads(SCHEMA.read_text()))
    [back] = changes(NOW, BEFORE)
    assert [each["cause"] for each in back["new"]] == ["U is transposed", "h is cut (known)"]
    assert [each["cause"] for each in back["mended"]] == ["it ignores lengths: the same bits"]


def test_a_report_beside_itself_has_not_changed():
    [change] = changes(NOW, NOW)
    assert (change["new"], change["mended"], change["other_bits"]) == ([], [], {})
    assert next(told(change)) == "keras 3.15.1 beside 3.15.1: 0 new, 0 mended, other bits in 0 of 3 cases"


def test_what_cannot_be_compared_is_said():
    [missing] = changes(BEFORE, report("1", [], name="torch"))
    assert missing["notes"] == ["it is not in the earlier report"]
    [other] = changes(BEFORE | {"same_cases": False, "platform": "Darwin arm64"}, NOW)
    assert "bits were not compared: both runs need --hypothesis-profile=ci" in other["notes"]
    assert "the earlier run was on Darwin arm64" in other["notes"]


def test_the_table_is_no_wider_than_a_hundred_columns():
    long = report("3.15.1 (tensorflow 2.21.0)", NOW["backends"][0]["tests"])
    long["errors"] = [{"test": "a::test_e[keras-gru]", "message": "no " + "word " * 100}]
    drawn = table(changes(BEFORE, long))
    assert max(map(len, drawn.splitlines())) <= WIDTH
    assert "U is transposed" in drawn
    assert table([]) == ""


def states(content):
    """The states of the only row of a report, of the features that a case had or a cause names."""
    [row] = rows([content])
    return {cell.feature: cell.state for cell in row.cells if cell.state != "not run"}


def test_a_feature_without_a_case_is_not_run():
    assert states(BEFORE | {"failures": []}) == {}
    [row] = rows([BEFORE])
    assert [cell.feature for cell in row.cells] == list(FEATURES)


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"match": 1, "refused": 9, "inconclusive": 9}, "match"),
        ({"match": 1, "wrong": 1, "known": 1}, "match"),  # put down to another feature, which has the sign
        ({"refused": 3, "inconclusive": 1}, "refused"),
        ({"inconclusive": 1}, "inconclusive"),
        ({"wrong": 1, "refused": 1}, "wrong"),
        ({"known": 2, "refused": 1}, "known"),
    ],
)
def test_a_feature_that_nothing_is_put_down_to(counts, state):
    assert states(report("1", [], features={"mask": counts})) == {"mask": state}


def test_a_feature_has_the_worst_of_what_is_put_down_to_it():
    known = {
        **{"reason": "h is cut", "ignores": False, "versions": "", "cases": 2},
        **{"case": "<Case gru>", "saved": "cases/h.safetensors", "features": ["lengths", "reverse"]},
    }
    ignores = known | {"ignores": True, "features": ["mask"]}
    some = {name: {"match": 5, "known": 2} for name in ("lengths", "reverse", "mask", "lstm")}
    content = report("1", [], features=some, known=[known, ignores])
    assert states(content) == {"lstm": "match", "reverse": "known", "lengths": "known", "mask": "ignored"}
    content["failures"] = [
        failed("U is transposed", ["test_a[gru]"], ["lengths"]),
        failed("it ignores reverse: the same bits", ["test_b[gru]"], ["reverse"]),
    ]
    assert states(content) | {"lstm": "match"} == {
        **{"lstm": "match", "reverse": "ignored", "lengths": "wrong", "mask": "ignored"}
    }


def test_every_link_of_the_page_leads_somewhere_and_nothing_is_loaded():
    text = page([BEFORE, NOW, report("1", [], name="torch")])
    links, places = set(re.findall(r'href="#([^"]+)"', text)), set(re.findall(r'\bid="([^"]+)"', text))
    assert links <= places
    assert len(links) > 3 * len(FEATURES) - 5
    assert not re.findall(r"<(?:script|img|iframe)|@import|\bsrc=|https?:", text)
    assert "&lt;b&gt;" in text
    assert "<b>\n" not in text
    assert PLACE not in text.partition("<h2")[0]  # the matrix itself has names and versions


def test_what_was_not_tested_and_where_is_on_the_page():
    error = {"test": "a::test_a[keras:jax-gru]", "message": "keras:jax cannot be made: <b>"}
    broken = report("1", [], errors=[error])
    text = page([BEFORE, broken | {"platform": "Darwin arm64, Python 3.12.1"}])
    assert "not tested: keras:jax cannot be made: &lt;b&gt;" in text
    assert "<br>Darwin arm64</span></th>" in text
    assert "<br>Linux" not in page([BEFORE, NOW])
    assert "<br>ended early</span></th>" in page([BEFORE | {"exit_status": 2}])
    assert "ended early" not in page([BEFORE, NOW])


def test_reports_are_shown_by_the_command(tmp_path, capsys):
    for name, content in (("before", BEFORE), ("now", NOW)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "old.json").write_text('{"lockstep_report": 1}')
    (tmp_path / "half.json").write_text('{"lockstep_report": 2, "backends": []}')
    paths = [str(tmp_path / f"{name}.json") for name in ("before", "now")]
    assert main([*paths, "--page", str(tmp_path / "matrix.html")]) == 1  # something fails anew
    printed = capsys.readouterr().out
    assert "it ignores lengths" in printed
    assert "1 of 2 cases" in printed
    assert "3.12.0" in (tmp_path / "matrix.html").read_text()
    assert main(paths[:1]) == 0
    (tmp_path / "torch.json").write_text(json.dumps(report("1", [], name="torch")))
    assert main([paths[1], str(tmp_path / "torch.json"), paths[0]]) == 1  # beside the last that has Keras
    assert "U is transposed" in capsys.readouterr().out
    assert main([str(tmp_path / "half.json")]) == 1
    assert "half.json: lacks a part of what schema.json describes: make it anew\n" in capsys.readouterr().err
    assert main([str(tmp_path / "old.json")]) == 1
    assert "old.json: has form 1, needs one of form 2: make it anew\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("packages", "backends"),
    [
        ("keras==3.12", ["keras"]),
        ("Keras==3.12 tensorflow-cpu==2.20", ["keras", "tensorflow"]),
        ("flax==0.12.0", ["flax:nnx", "flax:linen"]),
        ("onnxruntime==1.32", ["onnxruntime"]),
        ("numpy==2.0", ["numpy"]),
        ("dm-haiku==0.0.14", ["haiku"]),
        ("no-such-thing==1", []),
    ],
)
def test_the_backends_of_packages_are_those_of_the_same_name(packages, backends):
    assert backends_of(packages_of(packages)) == backends


def test_an_environment_has_what_its_backends_need():
    found = requirements(["keras==3.12"], ["keras:jax"])
    assert found[:4] == ["numpy", "scipy", "ml_dtypes", "keras==3.12"]
    assert [each.partition("==")[0] for each in found[4:]] == ["jax"]
    both = ["keras==3.12", "tensorflow==2.20"]
    assert requirements(both, ["keras"])[3:] == both


@pytest.mark.parametrize("text", ["", "keras=3", "--no-deps", "keras==3.12 -e ."])
def test_what_is_no_package_is_one_line(text):
    with pytest.raises(NotMade, match="names no packages; needs some as in"):
        packages_of(text)


def test_what_pip_says_is_wrong_is_one_line():
    last = "ERROR: Could not find a version\nERROR: No matching distribution found for keras==99\n"
    assert error_in(last) == "No matching distribution found for keras==99"
    conflict = "ERROR: Cannot install a and b because they conflict.\nERROR: ResolutionImpossible: see\n"
    assert error_in(conflict) == "Cannot install a and b because they conflict."
    assert error_in("") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="workers elsewhere need a system like Unix")
def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path):
    for name in (".999999999-killed", f".{os.getppid()}-another"):
        (tmp_path / "kept" / name / "torch").mkdir(parents=True)
    with pytest.raises(NotMade, match="No matching distribution found for no-such-package==1"):
        environment(["--no-index", "--find-links", str(tmp_path), "no-such-package==1"], tmp_path / "kept")
    assert os.listdir(tmp_path / "kept") == [f".{os.getppid()}-another"]


def test_the_workflow_tests_every_backend():
    """All but the one that needs a GPU, each as a word of its own."""
    workflow = (ROOT / ".github" / "workflows" / "matrix.yml").read_text()
    words = set(re.findall(r"[\w:-]+", workflow))
    assert set(BUILT_IN) - words == {"torch:cuda"}
