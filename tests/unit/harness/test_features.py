"""Features of cases, what is put down to them, and the record of a test."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Trace
from rnn_lockstep.tests.harness.features import FEATURES, GROUPS, PLAIN, blamed, features
from rnn_lockstep.tests.harness.report.record import Record, digest, from_text, in_text
from tests.unit.adapters.test_contract import make_case

CASE = make_case()  # a simple RNN in float32, with an initial state or without
PLAINLY = replace(CASE, initial_state=None, activation="tanh")


def test_every_feature_has_one_name_and_one_group():
    assert len(FEATURES) == sum(len(group) for group in GROUPS.values())
    assert set(features(PLAINLY)) <= PLAIN


@pytest.mark.parametrize(
    ("change", "of", "special"),
    [
        ({}, "", []),
        ({}, "grad", ["gradients"]),
        ({}, "train", ["training"]),
        ({"reverse": True}, "", ["reverse"]),
        ({"lengths": np.array([1, 2])}, "", ["lengths"]),
        ({"lengths": np.array([0, 2])}, "", ["lengths", "length 0"]),
        ({"activation": "relu"}, "", ["relu"]),
        ({"initial_state": np.zeros((2, CASE.hidden_size), CASE.dtype)}, "", ["initial state"]),
        ({"inputs": CASE.inputs[:0]}, "", ["no rows"]),
        ({"inputs": CASE.inputs[:, :0]}, "", ["no steps"]),
        ({"return_sequences": False}, "", ["last output"]),
        ({"b": None}, "", ["no bias"]),
    ],
)
def test_what_is_special_about_a_case_is_what_a_failure_is_put_down_to(change, of, special):
    case = replace(PLAINLY, **change)
    plain = [case.cell, case.dtype.name]
    assert features(case, of) == plain + special
    assert blamed(case, of) == (special or plain)
    assert blamed(case, of, smallest=False) == plain


def test_a_record_counts_by_feature_and_keeps_digests_until_something_is_wrong():
    record, backend = Record(with_digests=True), NumpyAdapter()
    other = replace(PLAINLY, inputs=-PLAINLY.inputs)
    for case, status in ((PLAINLY, "match"), (other, "mismatch"), (replace(other, reverse=True), "match")):
        record.answered(case, None, backend.run(case))
        record.ended(case, "", status)
    told = record.to_json()
    assert told["counts"] == {
        "simple_rnn": {"match": 2, "wrong": 1},
        "float32": {"match": 2, "wrong": 1},
        "reverse": {"match": 1},
    }
    assert len(told["digests"]["float32"].split()) == 2  # and none of the third
    assert in_text(from_text(told["digests"])) == told["digests"]
    assert Record(with_digests=False).to_json()["digests"] == {}


def test_a_digest_tells_bits_apart_and_nothing_else():
    zeros = np.zeros((1, 2, 3), "float32")
    trace = Trace(zeros, zeros[:, 0])
    assert digest(trace) == digest(Trace(zeros.copy(order="F"), zeros[:, 1]))
    assert digest(trace) != digest(Trace(-zeros, zeros[:, 0]))
    assert digest({"W": zeros}) != digest({"U": zeros})
    assert [digest(answer) for answer in (None, 3, [zeros], {"W": 1.0})] == [""] * 4
