"""Ends of which only a layer can be compared: the headline says that the model around it was not run."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.models.files.table import FORMATS, read_model
from tests.unit.adapters.whole.onnx_models import Graph, Tagger


@pytest.fixture
def weights(tmp_path):
    """The weights of a Tagger."""
    torch.save(Tagger().state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def headline(*ends, **options):
    return str(lockstep_check(*ends, examples=3, **options)).splitlines()[0]


def test_a_layer_of_a_model_file_is_a_part_of_it(weights, tmp_path):
    graph = Graph()
    path = graph.save(tmp_path / "model.onnx")
    alone = "match: layer decoder alone; the model around it was not run"
    assert headline(weights, path, layer="decoder") == alone
    assert headline(path, weights, layer="decoder") == "match", "the target has no more"


class Plain(nn.Module):
    """One layer, and dense."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def test_weights_are_no_port_of_a_whole_model(tmp_path):
    torch.save(Plain().state_dict(), tmp_path / "weights.pt")
    verdict = lockstep_check(Plain(), tmp_path / "weights.pt", examples=3)
    assert verdict.only == "layer rnn; the model around it was not run"
    assert "weights.pt has weights only" in str(verdict)


@pytest.mark.filterwarnings("ignore")  # torch's, of how it exports
def test_a_file_of_nothing_but_a_layer_is_compared_whole(tmp_path):
    layer, sizes = Plain().rnn, {0: "batch", 1: "time"}
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    exported = tmp_path / "layer.onnx"
    names = {"input_names": ["x"], "dynamic_axes": {"x": sizes}, "dynamo": False}
    torch.onnx.export(layer, (torch.zeros(2, 3, 3),), exported, **names)
    assert headline(tmp_path / "weights.pt", exported) == "match"
    ours = tmp_path / "ours.onnx"
    ours.write_bytes(FORMATS[".onnx"].write(read_model(tmp_path / "weights.pt")))
    assert headline(tmp_path / "weights.pt", ours) == "match"
    verdict = lockstep_check(layer, exported, examples=3)
    assert verdict, verdict
    assert "before gru: match" in str(verdict), "beside a file that a runtime runs, a layer is a whole model"
