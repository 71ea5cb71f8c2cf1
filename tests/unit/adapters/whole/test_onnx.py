"""The check of whole ONNX files, run by ONNX Runtime: right ones match, of wrong ones the place is named."""

import numpy as np
import pytest
import torch
from onnx import helper

from rnn_lockstep.adapters import InvalidModel, lockstep_check
from tests.unit.adapters.whole import onnx_models as models
from tests.unit.adapters.whole.onnx_models import TOKENS, Graph, Tagger


def checked(source, target, **options):
    return lockstep_check(source, target, **{"examples": 5, **options})


def places(verdict):
    return [line.place for line in verdict.lines]


@pytest.fixture
def right(tmp_path):
    """A file that is a right port of a Tagger."""
    return Graph().save(tmp_path / "right.onnx")


def test_a_right_port_matches_at_every_place(right):
    verdict = checked(Tagger(), right)
    assert verdict, verdict
    assert places(verdict) == [
        "before encoder+encoder_1",
        "encoder+encoder_1 itself",
        "between encoder+encoder_1 and decoder",
        "decoder itself",
        "after decoder",
        "the whole model",
    ]
    assert {line.status for line in verdict.lines} == {"match"}
    assert "tokens:int(0..19) (batch,time)" in verdict.asked


def test_a_file_is_a_source_and_a_port_of_itself(right):
    verdict = checked(right, Tagger())
    assert verdict, verdict
    verdict = checked(right, right)
    assert verdict, verdict
    assert "between encoder and encoder_1" in places(verdict)
    wrong = Tagger()
    wrong.between = lambda outputs, h, c: (torch.relu(outputs), h[1:])
    says = "mismatch: between encoder and decoder: the source has nothing, the port applies relu"
    assert str(checked(right, wrong)).startswith(says)


WRONG = {
    "relu between": (
        lambda graph: graph.apply("Relu", "high"),
        "between encoder+encoder_1 and decoder: the source has nothing, the port applies relu",
    ),
    "embedding shifted": (models.shifted, "before encoder+encoder_1: the rows of the embedding are shifted"),
    "never turned": (models.never_turned, "before encoder+encoder_1: batch and time are exchanged"),
    "not turned back": (models.not_turned_back, "after decoder: batch and time are exchanged"),
    "c handed on": (
        models.cell_handed_on,
        "between encoder+encoder_1 and decoder: (h, c) of encoder+encoder_1 is handed on as (c, h)",
    ),
    "state forgotten": (
        models.state_forgotten,
        "between encoder+encoder_1 and decoder: the final state of encoder+encoder_1 is not handed on",
    ),
    "late": (models.late, "between encoder+encoder_1 and decoder: it is one step late"),
    "bias dropped": (models.bias_dropped, "encoder+encoder_1 itself: layer 1: b"),
    "reset before": (models.reset_before, "decoder itself: the reset gate is applied on the other side"),
    "larger head": (models.larger_head, "after decoder: it is 1.0001 times what the source has"),
}


@pytest.mark.parametrize(("mistake", "says"), WRONG.values(), ids=WRONG)
def test_the_first_wrong_place_of_a_wrong_file_is_named(mistake, says, tmp_path):
    graph = Graph()
    mistake(graph)
    assert str(checked(Tagger(), graph.save(tmp_path / "wrong.onnx"))).startswith(f"mismatch: {says}")
