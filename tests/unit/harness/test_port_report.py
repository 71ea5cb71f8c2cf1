"""The report of a port, of whatever a verdict may hold."""

import json
import re
from math import inf

import jsonschema
import pytest

from rnn_lockstep.adapters.port.whole.verdict import Line, WholeVerdict
from rnn_lockstep.tests.harness.report.as_json import as_json
from rnn_lockstep.tests.harness.report.markdown import LIMIT
from rnn_lockstep.tests.harness.report.port.content import finding, found, properties, with_weights
from rnn_lockstep.tests.harness.report.port.markdown import markdown
from rnn_lockstep.tests.harness.report.port.page import page
from rnn_lockstep.tests.harness.report.port.plot import MOST_BARS, worst
from tests.command_line.running import ROOT

SCHEMA = json.loads((ROOT / "tests" / "harness" / "report" / "port" / "schema.json").read_text())
ASKED = {
    **{"source": "a.keras", "target": "b:c", "layer": None, "source_layer": None, "target_layer": None},
    **{"set": ["activation=relu"], "inputs": None, "batch": 3, "time": None, "max_examples": 8, "seed": 0},
}
LINES = (
    Line("before <encoder> \N{SNOWMAN}", "match", "", 0.0),
    Line("encoder itself", "inconclusive", "is off by 1, and float64 cannot be run"),
    Line("between encoder and decoder", "mismatch", "has the shape (2,), and (3,) in the source", inf),
    Line("decoder itself", "drift", "further off than rounding explains", 0.4),
)


def content(verdict, **more):
    run = {"lockstep_report": 1, "kind": "port", "created": "2026-01-31T23:59:59+00:00", "seconds": 1.5}
    return {**run, "exit_status": 1, "asked": ASKED, **found(verdict), "errors": [], **more}


def verdict(lines, **more):
    return WholeVerdict("mismatch", "it is wrong", ("a", "b"), "8 examples", lines, **more)


@pytest.mark.parametrize("lines", [(), LINES, LINES[1:2]], ids=["no places", "all kinds", "no figure"])
def test_every_form_is_made_of_whatever_places_there_are(lines):
    made = content(verdict(lines, notes=("a <b> | note",)), errors=[{"test": "t", "message": "m <b>"}])
    jsonschema.validate(json.loads(as_json(made), parse_constant=pytest.fail), SCHEMA)
    whole = page(made)
    assert whole.count("<svg") == bool(lines)
    assert "<b>" not in whole
    assert "<encoder>" not in whole
    assert markdown(made).count("not known") == sum(line.ratio is None for line in lines)


def test_what_is_not_known_has_no_bar():
    [svg] = re.findall(r"<svg.*?</svg>", page(content(verdict(LINES))), re.DOTALL)
    assert re.findall(r"fill: var\(--(right|wrong|faint)\)", svg) == ["right", "wrong", "wrong"]
    assert ">inf mismatch</text>" in svg
    assert ">inconclusive</text>" in svg


def test_of_very_many_places_the_worst_are_drawn_and_the_summary_is_cut():
    lines = [Line(str(k), "match", "x" * 500, k / 1e5) for k in range(3000)]
    lines[7] = Line("odd", "inconclusive", "")
    made = content(verdict(tuple(lines)))
    drawn = [place["place"] for place in worst(made["places"])]
    assert drawn == ["odd", *(str(k) for k in range(3000 - MOST_BARS + 1, 3000))]
    assert f"The {MOST_BARS} worst of 3000 are drawn." in page(made)
    assert LIMIT * 0.9 < len(markdown(made).encode()) < LIMIT + 100


def test_properties_are_those_that_are_known():
    known = dict(properties(found(verdict(LINES))))
    assert known["worst_over_bound"] == inf
    assert known["first_wrong"] == "between encoder and decoder"
    assert "worst_over_bound" not in dict(properties(found(verdict(LINES[1:2]))))


@pytest.mark.parametrize(
    ("status", "headline"),
    [
        ("match", "mismatch: weights: U differs"),
        ("inconclusive", "mismatch: weights: U differs"),
        ("mismatch", "as it was"),
    ],
)
def test_weights_that_differ_are_a_mismatch_whatever_the_answers_are(status, headline):
    told = with_weights(finding(status, "as it was", "a", "b"), "U differs")
    assert (told["status"], told["headline"]) == ("mismatch", headline)
    assert with_weights(told, "") == told
