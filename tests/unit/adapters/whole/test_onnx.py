"""The check of whole ONNX files, run by ONNX Runtime: right ones match, of wrong ones the place is named."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, lockstep_check
from tests.unit.adapters.whole import onnx_models as models
from tests.unit.adapters.whole.onnx_models import Graph, Tagger


def checked(source, target, **options):
    return lockstep_check(source, target, **{"examples": 5, **options})


def saved(path, *changes, **orders):
    """The path of a graph that is written with some changes."""
    graph = Graph(**orders)
    for change in changes:
        change(graph)
    return graph.save(path / "graph.onnx")


@pytest.fixture
def right(tmp_path):
    """A file that is a right port of a Tagger."""
    return Graph().save(tmp_path / "right.onnx")


def test_a_right_port_matches_at_every_place(right):
    verdict = checked(Tagger(), right)
    assert verdict, verdict
    assert [line.place for line in verdict.lines] == [
        "before encoder+encoder_1",
        "encoder+encoder_1 itself",
        "between encoder+encoder_1 and decoder",
        "decoder itself",
        "after decoder",
        "the whole model",
    ]
    assert {line.status for line in verdict.lines} == {"match"}
    assert "tokens:int(0..19) (batch,time)" in verdict.asked


def test_a_file_is_a_source(right):
    for port in (Tagger(), right):
        verdict = checked(right, port)
        assert verdict, verdict
        assert {line.status for line in verdict.lines} == {"match"}
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
    "bias dropped": (models.bias_dropped, "encoder+encoder_1 itself: the biases are dropped above the first"),
    "reset before": (models.reset_before, "decoder itself: the reset gate is applied on the other side"),
    "squashed": (
        lambda graph: graph.apply("Tanh", "product"),
        "after decoder: the source has head there, and the port no layer",
    ),
}


@pytest.mark.parametrize(("mistake", "says"), WRONG.values(), ids=WRONG)
def test_the_first_wrong_place_of_a_wrong_file_is_named(mistake, says, tmp_path):
    assert str(checked(Tagger(), saved(tmp_path, mistake))).startswith(f"mismatch: {says}")


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        ({"lstm": "ifco"}, "encoder+encoder_1 itself: the gates are taken in the order i, g, o, f"),
        ({"gru": "rzn"}, "decoder itself: the gates are taken in the order z, r, n"),
    ],
)
def test_gates_in_a_wrong_order_are_named(orders, says, tmp_path):
    assert str(checked(Tagger(), saved(tmp_path, **orders))).startswith(f"mismatch: {says}")


@pytest.mark.parametrize(
    ("mistake", "place", "says"),
    [
        (models.peepholes, "encoder_1", "layer encoder_1: it has peepholes (P)"),
        (models.input_forget, "encoder", "layer encoder: it has input_forget"),
    ],
)
def test_a_node_that_cannot_be_read_is_named_with_its_reason(mistake, place, says, right, tmp_path):
    wrong = saved(tmp_path, mistake)
    assert checked(right, wrong).reason.startswith(f"{place} itself: {says}")
    assert checked(Tagger(), wrong).reason.startswith(f"encoder+encoder_1 itself: {says}")


def test_what_a_node_is_given_is_an_answer_of_the_source_too(tmp_path):
    source = saved(tmp_path, lambda graph: graph.apply("Tanh", "high"))
    port = Tagger()
    port.between = lambda outputs, h, c: (torch.sin(torch.tanh(outputs)), h[1:])
    reason = checked(source, port).reason
    assert reason.startswith("between encoder and decoder: the source has Squeeze, Tanh there, and the port")


def test_a_missing_upper_layer_is_no_match(tmp_path):
    verdict = checked(Tagger(), saved(tmp_path, models.upper_missing))
    assert verdict.status == "mismatch"
    assert "the source has 3 recurrent cells (in encoder, decoder), the port 2" in verdict.reason


@pytest.mark.filterwarnings("ignore")  # torch's, of how it exports
@pytest.mark.parametrize("dynamo", [False, True])
def test_exports_of_torch_match(dynamo, tmp_path):
    tokens = torch.zeros(2, 5, dtype=torch.int64)
    path = tmp_path / "export.onnx"
    torch.onnx.export(Tagger().eval(), (tokens,), path, dynamo=dynamo, verbose=False)
    verdict = checked(Tagger(), path)
    assert verdict, verdict
    assert "examples of 2 x 5\n" in str(verdict), "the sizes that the export has fixed"


def test_an_operator_without_a_float64_in_the_runtime_is_run_by_onnx_itself(tmp_path):
    path = saved(tmp_path, models.erf_after)
    verdict = checked(path, path)
    assert verdict, verdict
    larger = saved(tmp_path / "..", models.erf_after, lambda graph: graph.arrays["W"].__imul__(1.0001))
    assert str(checked(path, larger)).startswith("mismatch: after decoder: ")


class Packed(Tagger):
    """A Tagger of rows that end where zeros begin."""

    def ends(self, tokens):
        return (tokens != 0).sum(dim=1)

    def forward(self, tokens, lengths=None):
        ends = self.ends(tokens)
        pack = nn.utils.rnn.pack_padded_sequence
        outputs, (h, _) = self.encoder(
            pack(self.embedding(tokens), ends, batch_first=True, enforce_sorted=False)
        )
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.decoder(outputs, h[1:])[0], batch_first=True)
        return self.head(outputs)


class PackedAsFull(Packed):
    def ends(self, tokens):
        return torch.full_like(tokens[:, 0], tokens.shape[1])


@pytest.mark.parametrize("lengths", [models.lengths_of_tokens, models.lengths_given])
def test_lengths_of_rows_are_told_to_nodes(lengths, tmp_path):
    path = saved(tmp_path, lengths)
    for source, target in ((path, Packed()), (Packed(), path), (path, path)):
        verdict = checked(source, target)
        assert verdict, verdict
        assert "(batch,time) padded by zeros" in verdict.asked
    says = "mismatch: encoder itself: the lengths of rows are not told to it, so it runs on over the padding"
    assert str(checked(path, Tagger())).startswith(says)
    says = "mismatch: before encoder: the lengths of rows off by "
    assert str(checked(path, PackedAsFull())).startswith(says)


def test_sizes_that_a_file_fixes_are_kept(tmp_path):
    def fixed(graph):
        graph.inputs["tokens"] = (np.int64, [3, "t"])

    verdict = checked(Tagger(), saved(tmp_path, fixed), examples=2)
    assert verdict, verdict
    assert "examples of 3 x 3, 3 x 1" in str(verdict)


def test_integers_that_are_looked_up_nowhere_need_inputs(tmp_path):
    def one_more(graph):
        graph.arrays["one"] = np.array(1)
        graph.nodes.insert(0, models.helper.make_node("Add", ["tokens", "one"], ["more"]))
        graph.maker("rows").input[1] = "more"

    path = saved(tmp_path, one_more)
    with pytest.raises(
        InvalidModel, match="input tokens is of int64, and its range is not known: needs --inp"
    ):
        checked(Tagger(), path)
    wrong = checked(Tagger(), path, inputs="tokens:int(0..18) (batch,time)")
    assert str(wrong).startswith("mismatch: before encoder+encoder_1: ")


def test_a_runtime_that_is_not_installed_is_told(right, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InvalidModel, match="onnxruntime is not installed: pip install onnxruntime"):
        checked(Tagger(), right)


def test_what_the_runtime_raises_begins_with_the_node(tmp_path):
    def one_row(graph):
        graph.arrays["shape"] = np.array([-1, 1, 6])
        graph.apply("Reshape", "high", "shape")

    verdict = checked(Tagger(), saved(tmp_path, one_row))
    assert "InvalidArgument: " in verdict.reason or "Fail: " in verdict.reason
    assert "onnxruntime_src" not in verdict.reason
    assert "; it answered 1 x 1" in verdict.reason


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (["n", "t"], "(batch,time)"),
        ([None, None], "(batch,time)"),
        (["seq", "batch"], "(time,batch)"),
        ([4, "t"], "(4,time)"),
        (["n", 3], "(batch,3)"),
    ],
)
def test_free_sizes_are_of_batch_and_time(sizes, says, tmp_path):
    graph = Graph()
    graph.inputs["tokens"] = (np.int64, sizes)
    path = graph.save(tmp_path / "graph.onnx")
    assert f"tokens:int(0..19) {says}: " in checked(path, path, examples=1).asked
