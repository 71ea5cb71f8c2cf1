"""Reports, as --lockstep-report and --junitxml write them, seen from outside."""

import json
import os
import re
import sys
from copy import deepcopy
from html import escape
from xml.etree import ElementTree

import jsonschema
import pytest

from rnn_lockstep.tests.harness.report.as_json import SCHEMA
from rnn_lockstep.tests.harness.report.content import grouped
from rnn_lockstep.tests.harness.report.files import targets, write
from rnn_lockstep.tests.harness.report.markdown import LIMIT, markdown
from rnn_lockstep.tests.harness.scores import STATUSES
from tests.command_line.running import run_pytest

WRONG = "tests.faults.catalogue:bias_dropped_of_a_simple_rnn"
CRASHES = "theirs:Crashes"
BACKEND = """
from rnn_lockstep.adapters import Facts
class Crashes:
    facts = Facts("crashes")
    def run(self, case):
        raise RuntimeError("segment not found")
"""
TESTS = ("tests/parity/test_every_step.py", "-k", "variants or long or half")
DRIFT = (
    "tests/parity/test_drift.py",
    "-k",
    "lstm and not peephole and float32 and not of_wide",
    "--max-examples",
    "80",
)
EXAMPLES = ("--max-examples", "20")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder in which a failing run wrote a report of every kind."""
    folder, theirs = tmp_path_factory.mktemp("reports"), tmp_path_factory.mktemp("theirs")
    (theirs / "theirs.py").write_text(BACKEND)
    options = [f"--lockstep-report={folder / 'report'}.{form}" for form in ("html", "json", "md")]
    options += [f"--backend={name}" for name in (WRONG, "numpy", CRASHES)]
    options.append(f"--junitxml={folder / 'junit.xml'}")
    run = run_pytest(*TESTS, *EXAMPLES, *options, python_path=theirs)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"lockstep: report: {folder / 'report.html'}" in run.stdout
    assert sorted(os.listdir(folder)) == ["junit.xml", "report.html", "report.json", "report.md"]
    return folder


@pytest.fixture(scope="module")
def content(written):
    return json.loads((written / "report.json").read_text(), parse_constant=pytest.fail)


def test_json_is_as_the_schema_says(content):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    assert content["exit_status"] == 1
    assert content["max_examples"] == 20
    assert [backend["name"] for backend in content["backends"]] == [WRONG, "numpy", CRASHES]
    assert content["tests"]["failed"] > 0 < content["tests"]["passed"]


def test_counts_add_up(content):
    for backend in content["backends"]:
        mismatches = 0
        for score in backend["scores"]:
            assert score["cases"] == sum(score[status] for status in STATUSES)
            mismatches += score["mismatch"]
            assert (score["mismatch"] > 0) == (float(score["worst_over_bound"]) > 1)
        assert (mismatches > 0) == (backend["name"] == WRONG)


def test_trends_tell_right_from_wrong(content):
    trends = {backend["name"]: backend["trends"] for backend in content["backends"]}
    assert trends.pop(CRASHES) == []
    for name, by_dtype in trends.items():
        dtypes = {trend["dtype"] for trend in by_dtype}
        assert dtypes > {"float32", "float64"} or (dtypes and name == WRONG)  # which ends at its first cases
        points = [point for trend in by_dtype for point in trend["time"] + trend["hidden_size"]]
        assert all(point["cases"] > 0 for point in points)
        assert (max(float(point["worst_over_bound"]) for point in points) > 1) == (name == WRONG)
    steps = [point["from"] for point in trends["numpy"][1]["time"]]
    assert steps == sorted(steps)
    assert set(steps) <= {2**k - 1 for k in range(11)}


def test_every_failure_is_told_with_its_tests(content):
    messages = [m for group in content["failures"] for m in group["messages"]]
    tests = {test for message in messages for test in message["tests"]}
    assert {group["backend"] for group in content["failures"]} == {WRONG, CRASHES}
    assert tests
    assert sum(group["count"] for group in content["failures"]) == len(tests)
    assert len(tests) + len(content["errors"]) == content["tests"]["failed"]


def test_what_crashed_has_the_error_for_its_cause(content):
    [group] = [group for group in content["failures"] if group["backend"] == CRASHES]
    assert group["cause"] == "raised RuntimeError: segment not found"
    for message in group["messages"]:
        assert message["message"].startswith(f"{CRASHES}: {group['cause']}\n  case: <Case ")


def test_what_no_backend_did_is_told_apart(tmp_path):
    """A backend that refuses all was not compared, which is nobody's crash."""
    (tmp_path / "theirs.py").write_text(
        BACKEND.replace("RuntimeError", "__import__('pytest').fail.Exception")
    )
    path = tmp_path / "report.json"
    run = run_pytest(*(*TESTS, "--backend", CRASHES, f"--lockstep-report={path}"), python_path=tmp_path)
    assert run.returncode == 1
    content = json.loads(path.read_text())
    assert content["failures"] == []
    assert content["errors"]
    for error in content["errors"]:
        assert CRASHES in error["test"]
        assert "segment not found" in error["message"]


def test_fingerprints_are_told_and_fail_nothing(content, written):
    asked = {backend["name"]: backend["fingerprint"] for backend in content["backends"]}
    assert asked["numpy"]["saturation"] == "tanh(20) is 1"
    assert asked[CRASHES]["sums"] == "not known: RuntimeError: segment not found"
    assert asked[CRASHES]["states"] == "not known: it declares no float16"
    assert "<li>saturation: tanh(20) is 1</li>" in (written / "report.html").read_text()


def test_where_no_test_of_drift_has_passed_nothing_was_measured(content, written):
    assert [backend["guarantees"] for backend in content["backends"]] == [[], [], []]
    page = (written / "report.html").read_text()
    assert "numpy: what a match guarantees was not measured: no test of drift has passed" in page


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_what_a_match_guarantees_is_told(more, tmp_path):
    """In the report and, with -v, in the terminal; a backend that drifts guarantees nothing."""
    path, wrong = tmp_path / "report.json", "tests.faults.catalogue:u_too_large_by_a_millionth"
    backends = [f"--backend={name}" for name in ("numpy", wrong)]
    run = run_pytest(*DRIFT, *backends, "-v", f"--lockstep-report={path}", *more, in_process=not more)
    assert run.returncode == 1
    content = json.loads(path.read_text())
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    right, drifting = content["backends"]
    [measured] = right["guarantees"]
    assert (measured["cell"], measured["dtype"], measured["hidden_size"]) == ("lstm", "float32", 64)
    errors = {error.pop("in"): error for error in measured["errors"]}
    assert errors["U"]["drift"] < 2e-6 < 1e-5 < errors["U"]["bound"]
    assert {way["in"]: way["seen_by"] for way in measured["ways"]} == {
        "products in TF32": "bound",
        "products in bfloat16": "bound",
    }
    assert drifting["guarantees"] == []
    for backend in (right, drifting):  # the one in a process of its own too
        assert backend["fingerprint"]["sums"].startswith("64 terms are added up")
    assert re.search(r"numpy +lstm float32 +64 +\de-05 / \de-07", run.stdout)
    assert f"{wrong}: what a match guarantees was not measured" in run.stdout


def test_without_a_report_nothing_is_measured():
    run = run_pytest(*DRIFT, "--backend=numpy")
    assert run.returncode == 0
    assert "guarantees" not in run.stdout


def failure(test, message, **more):
    reason = message.partition("\n")[0]
    known = {"backend": "a", "test": test, "message": message, "saved": "", "features": ["lstm"]}
    return {**known, "reason": reason, "cause": reason, **more}


def test_each_message_is_told_once_under_its_cause():
    groups = grouped(
        [
            failure("t1", "wrong from step 1; unit 2\nlong", saved="x.npz"),
            failure("t2", "wrong from step 1; unit 2\nlong"),
            failure("t3", "wrong from step 1; unit 3\nlong"),
            failure("t4", "wrong from step 9", cause="U is transposed"),
            failure("t5", "wrong from step 8", cause="U is transposed"),
            failure("t6", "wrong from step 8", cause="U is transposed", backend="b"),
        ]
    )
    found = {(group["backend"], group["cause"]): group for group in groups}
    assert list(found) == [("a", "wrong from step 1"), ("a", "U is transposed"), ("b", "U is transposed")]
    assert [group["count"] for group in groups] == [3, 2, 1]
    put_down = {"features": ["lstm"]}
    assert groups[0]["messages"] == [
        {"message": "wrong from step 1; unit 2\nlong", "tests": ["t1", "t2"], "saved": ["x.npz"], **put_down},
        {"message": "wrong from step 1; unit 3\nlong", "tests": ["t3"], "saved": [], **put_down},
    ]


def test_page_and_summary_say_what_the_data_say(written, content):
    page, summary = (written / "report.html").read_text(), (written / "report.md").read_text()
    for group in content["failures"]:
        for message in group["messages"]:
            assert escape(message["message"], quote=False) in page.replace("&#39;", "'").replace("&#34;", '"')
            assert message["message"] in summary
            for test in message["tests"]:
                assert test in page
                assert test in summary
    rows = sum(len(backend["scores"]) for backend in content["backends"])
    assert len(re.findall(r"<tr>\n<td>", page)) == rows
    assert len(re.findall(r"^\| (?:numpy|tests|theirs)", summary, re.MULTILINE)) == rows
    assert page.count("<svg") == 4
    for text in (page, summary):
        assert "raised RuntimeError: segment not found" in text


def test_page_loads_nothing(written):
    page = (written / "report.html").read_text()
    assert not re.findall(
        r"<(?:script|link(?! rel=\"icon\" href=\"data:,\")|img|iframe)|@import|\bsrc=", page
    )
    assert not re.findall(r"(?:href|url\()=?[\"']?(?!#|\"#|data:)\w+:", page)


def test_a_long_summary_is_cut_to_what_github_shows(content):
    group = content["failures"][0]
    many = [
        {**group, "cause": str(k), "messages": [{"message": "é" * 3000, "tests": [], "saved": []}]}
        for k in range(1000)
    ]
    text = markdown({**content, "seconds": 1.0, "backends": [], "failures": many})
    assert LIMIT * 0.9 < len(text.encode()) < LIMIT + 100
    assert re.search(r"\d+ more are left off", text)


def test_junit_has_the_figures_by_name(written):
    names = {"backend", "framework_version", "cases", *STATUSES, "worst_over_bound"}
    for case in ElementTree.parse(written / "junit.xml").iter("testcase"):
        figures = {each.get("name"): each.get("value") for each in case.iter("property")}
        assert set(figures) == names | ({"median_bound"} if figures["cases"] != "0" else set())
        assert int(figures["cases"]) == sum(int(figures[status]) for status in STATUSES)
        assert (figures["cases"] == "0") == (figures["backend"] == CRASHES)
        assert figures["backend"] in case.get("name")
        wrong = case.find("failure") is not None and figures["backend"] != CRASHES
        assert (float(figures["worst_over_bound"]) > 1) == (int(figures["mismatch"]) > 0) == wrong


def test_two_processes_report_the_same(content, tmp_path):
    path = tmp_path / "report.json"
    run = run_pytest(*TESTS, *EXAMPLES, "--backend", "numpy", f"--lockstep-report={path}", "-n", "2")
    assert run.returncode == 0, run.stdout
    [two] = json.loads(path.read_text())["backends"]
    for report in (one := deepcopy(content["backends"][1]), two):
        for score in report["scores"]:
            del score["cases_per_second"]
    assert one == two


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("report.pdf", "must end in one of .html, .json, .md"),
        ("report", "must end in one of .html, .json, .md"),
        ("nowhere/report.md", "cannot be written: {folder}/nowhere: No such file or directory"),
        ("file/report.md", "cannot be written: Not a directory"),
        ("folder.md", "cannot be written: it is no regular file"),
        ("x" * 252 + ".json", "cannot be written: File name too long"),
        ("report.html", "needs jinja2 and matplotlib, not installed: pip install 'rnn-lockstep[report]'"),
    ],
)
def test_a_path_that_cannot_be_written_is_told_in_one_line(path, message, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder.md").mkdir()
    for module in ("jinja2", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(pytest.UsageError) as told:
        targets(["report.json", "x" * 250 + ".json", path], tmp_path)
    assert str(told.value) == f"--lockstep-report {path} {message.format(folder=tmp_path)}"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.md"]


def test_a_bad_path_ends_the_run_at_its_start():
    run = run_pytest("tests/parity", "--backend", "numpy", "--lockstep-report", "report.pdf")
    assert run.returncode == 4
    assert run.stderr.strip() == "ERROR: --lockstep-report report.pdf must end in one of .html, .json, .md"
    assert "collected" not in run.stdout


def test_a_report_is_written_whole_or_not_at_all(content, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "report.json"
    path.write_text("the last run's")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, content)
    assert os.listdir(tmp_path) == ["report.json"]
    assert path.read_text() == "the last run's"


def test_a_report_behind_a_link_is_written_there(content, tmp_path):
    (tmp_path / "there").mkdir()
    link, file = tmp_path / "report.md", tmp_path / "there" / "summary"
    link.symlink_to(file)
    assert targets(["report.md"], tmp_path) == [link]
    write(link, {**content, "seconds": 1.0, "backends": []})
    assert link.is_symlink()
    assert file.read_text().startswith("## Lockstep: ")


@pytest.mark.parametrize("target", ["loop.json", "nowhere/file", "/dev/full", "/dev/fd/none/file"])
def test_a_report_behind_a_link_to_nowhere_is_a_usage_error(target, tmp_path):
    (tmp_path / "loop.json").symlink_to(target)
    with pytest.raises(pytest.UsageError, match=r"loop.json cannot be written: \w+"):
        targets(["loop.json"], tmp_path)
