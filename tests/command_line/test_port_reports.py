"""Reports of the check of a port, as --lockstep-report and --junitxml write them, seen from outside."""

import json
import re
from xml.etree import ElementTree

import jsonschema
import pytest

from rnn_lockstep.tests.harness.report.port.plugin import FORMS
from tests.command_line.running import ROOT, run_pytest

SCHEMA = json.loads((ROOT / "tests" / "harness" / "report" / "port" / "schema.json").read_text())
INPUTS = ("--inputs", "x:float (batch,time,4)", "--max-examples", "3")
HOSTILE = "b<i>|$x$`\x01]]>"
THEIRS = f"""
import torch
from torch import nn

torch.manual_seed(0)
weights = [nn.GRU(4, 4, batch_first=True).state_dict() for _ in range(2)]

class Model(nn.Module):
    def __init__(self, between=lambda x: x):
        super().__init__()
        self.between = between
        for name, own in zip(("first", {HOSTILE!r}), weights):
            self.add_module(name, nn.GRU(4, 4, batch_first=True))
            getattr(self, name).load_state_dict(own)

    def forward(self, x):
        return getattr(self, {HOSTILE!r})(self.between(self.first(x)[0]))[0]

def wrong():
    return Model(torch.relu)

def layer(factor=1):
    found = nn.GRU(4, 4, batch_first=True)
    found.load_state_dict({{name: factor * value for name, value in weights[0].items()}})
    return found

def larger():
    return layer(2)

class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = layer()

    def forward(self, x):
        return self.inner(x)[0].sum()

def cannot(x):
    return 1 / 0

def dies(x):
    import os
    os._exit(3)
"""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A folder with a module `theirs`."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "theirs.py").write_text(THEIRS)
    return folder


def reported(theirs, folder, target, *options, source="theirs:Model"):
    """The JSON that a run wrote, and its output."""
    path = folder / "report.json"
    ends = ("--source", source, "--target", target)
    run = run_pytest("tests/port", *ends, f"--lockstep-report={path}", *options, python_path=theirs)
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    jsonschema.validate(content, SCHEMA)
    assert content["exit_status"] == run.returncode, run.stdout + run.stderr
    return content, run


@pytest.fixture(scope="module")
def written(theirs, tmp_path_factory):
    """The folder in which a failing run, in another process, wrote a report of every kind."""
    folder = tmp_path_factory.mktemp("reports")
    more = [f"--lockstep-report={folder / 'report'}{suffix}" for suffix in (".html", ".md")]
    more.append(f"--junitxml={folder / 'junit.xml'}")
    _, run = reported(theirs, folder, "theirs:wrong", *INPUTS, *more, "-n", "2")
    assert f"lockstep: report: {folder / 'report.html'}\n" in run.stdout
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["junit.xml", "report.html", "report.json", "report.md"]
    return folder


@pytest.fixture(scope="module")
def content(written):
    return json.loads((written / "report.json").read_text())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_first_wrong_place_is_told_with_its_figures(content):
    assert content["status"] == "mismatch"
    assert content["exit_status"] == 1
    wrong = content["places"][2]
    assert content["first_wrong"] == wrong["place"] == "between first and b<i>|$x$`?]]>"
    assert content["headline"].startswith("mismatch: between first and b<i>|$x$`?]]>: the source has nothing")
    assert wrong["text"].startswith("the source has nothing, the port applies relu")
    statuses = [place["status"] for place in content["places"]]
    assert statuses == ["match", "match", "mismatch", "match", "match", "mismatch"]
    for place in content["places"]:
        assert (place["worst_over_bound"] > 1) == (place["status"] == "mismatch")
    assert content["worst_over_bound"] == max(place["worst_over_bound"] for place in content["places"])
    assert content["asked"]["inputs"] == INPUTS[1]
    assert content["asked"]["max_examples"] == 3
    assert "torch" in content["versions"]


def test_page_and_summary_say_it_and_escape_what_is_not_theirs(written, content):
    page, summary = (written / "report.html").read_text(), (written / "report.md").read_text()
    assert page.count("<svg") == 1
    assert "<i>" not in page
    assert "<th>place</th>" in page
    assert page.count("b&lt;i&gt;|$x$`") > 6  # in the picture too, and not as mathematics
    assert "the source has nothing, the port applies relu" in page
    assert not re.findall(
        r"<(?:script|link(?! rel=\"icon\" href=\"data:,\")|img|iframe)|@import|\bsrc=", page
    )
    rows = re.findall(r"^\| (?!place|--)(.*) \|$", summary, re.MULTILINE)
    assert len(rows) == len(content["places"])
    assert all(len(re.split(r"(?<!\\)\|", row)) == 4 for row in rows)
    for text in (page, summary):
        assert "\x01" not in text


def test_the_picture_has_a_bar_of_its_status_for_each_place(written):
    [svg] = re.findall(r"<svg.*?</svg>", (written / "report.html").read_text(), re.DOTALL)
    assert re.findall(r"fill: var\(--(right|wrong|faint)\)", svg) == [
        *("right", "right", "wrong", "right", "right", "wrong")
    ]
    words = re.findall(r">(?:[\d.e+]+ )(match|mismatch)</text>", svg)
    assert words == ["match", "match", "mismatch", "match", "match", "mismatch"]
    assert "stroke: var(--wrong)" in svg  # the limit


def test_junit_has_the_verdict_as_properties(written, content):
    [case] = [
        case
        for case in ElementTree.parse(written / "junit.xml").iter("testcase")
        if case.get("name") == "test_sequences"
    ]
    figures = {each.get("name"): each.get("value") for each in case.iter("property")}
    names = {"cause", "source", "target", "first_wrong"}
    assert {name: figures.pop(name) for name in names} == {name: content[name] for name in names}
    assert figures.pop("verdict") == "mismatch"
    assert float(figures.pop("worst_over_bound")) == content["worst_over_bound"]
    assert not figures


def test_a_right_port_is_reported(theirs, tmp_path):
    content, _ = reported(theirs, tmp_path, "theirs:Model", *INPUTS)
    assert content["exit_status"] == 0
    assert content["headline"] == content["status"] == "match"
    assert content["cause"] == content["first_wrong"] == ""
    assert [place["status"] for place in content["places"]] == ["match"] * 6


def test_a_layer_is_reported_by_its_sequences(theirs, tmp_path):
    content, _ = reported(theirs, tmp_path, "theirs:layer", "--max-examples=5", source="theirs:layer")
    assert content["exit_status"] == 0
    assert content["places_are"] == "sequences"
    assert [place["place"] for place in content["places"][:3]] == [
        *("float32, 1 x 1", "float32, 2 x 1", "float32, 1 x 2")
    ]
    assert len(content["places"]) == 5 + 2  # two larger ones
    assert all(0 <= place["worst_over_bound"] < 1 for place in content["places"])
    assert content["weights"] == ["W identical; U identical; b identical"]
    assert content["source"] == "theirs:layer, gru (gru, 4 -> 4, float32)"


def test_weights_that_differ_are_told_though_nothing_was_run(theirs, tmp_path):
    options = ("-k", "test_weights")
    content, _ = reported(theirs, tmp_path, "theirs:larger", *options, source="theirs:layer")
    assert content["exit_status"] == 1
    assert content["status"] == "mismatch"
    assert content["headline"].startswith("mismatch: weights: ")
    assert content["places"] == []


def test_only_a_part_is_no_more_in_a_report(theirs, tmp_path):
    content, _ = reported(theirs, tmp_path, "theirs:Part", "--max-examples=3", source="theirs:layer")
    assert content["exit_status"] == 5
    assert content["headline"] == "match: layer inner alone; the model around it was not run"


def test_what_cannot_be_asked_or_read_is_told_in_a_report(theirs, tmp_path):
    content, _ = reported(theirs, tmp_path, "theirs:cannot", source="theirs:layer")
    assert content["exit_status"] == 4
    assert content["status"] == "unusable"
    assert "ZeroDivisionError" in content["headline"]
    assert content["target"] == "theirs:cannot"
    page = tmp_path / "report.html"
    content, run = reported(theirs, tmp_path, "theirs:cannot", f"--lockstep-report={page}", source="none.pt")
    assert content["exit_status"] == 4
    assert content["headline"].endswith("none.pt: No such file or directory")
    assert run.stderr.strip().endswith("none.pt: No such file or directory")
    assert "none.pt: No such file or directory</h1>" in page.read_text()


def test_a_process_that_ends_is_told_in_a_report(theirs, tmp_path):
    content, _ = reported(theirs, tmp_path, "theirs:dies", "-n", "1", source="theirs:layer")
    assert content["exit_status"] == 1
    assert content["status"] == "not compared"
    assert re.search("not compared: worker .* crashed", content["headline"])
    assert [error["test"] for error in content["errors"]] == ["tests/port/port.py::test_sequences"]


def test_a_path_that_cannot_be_written_ends_the_run_at_its_start(theirs):
    ends = ("--source", "theirs:layer", "--target", "theirs:layer")
    run = run_pytest("tests/port", *ends, "--lockstep-report=report.pdf", python_path=theirs)
    assert run.returncode == 4
    told = f"ERROR: --lockstep-report report.pdf must end in one of {', '.join(FORMS)}"
    assert run.stderr.strip() == told
