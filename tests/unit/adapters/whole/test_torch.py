"""The check of whole torch models: right ones match, of wrong ones the first wrong place is named."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, lockstep_check
from tests.unit.adapters.whole import models
from tests.unit.adapters.whole.models import TOKENS, Tagger


def checked(port, source=None, **options):
    return lockstep_check(source or Tagger(), port, **{"inputs": TOKENS, "examples": 5, **options})


def first_line(port, **options):
    return str(checked(port, **options)).splitlines()[0]


@pytest.mark.parametrize(
    "port",
    [Tagger, models.TimeFirst, models.Reset, lambda: Tagger().train(), lambda: Tagger().double()],
    ids=["same", "time first", "reset", "train mode", "float64"],
)
def test_right_ports_match_at_every_place(port):
    verdict = checked(port())
    assert verdict, verdict
    places = [line.place for line in verdict.lines]
    assert places == [
        "before encoder",
        "encoder itself",
        "between encoder and decoder",
        "decoder itself",
        "after decoder",
        "the whole model",
    ]
    assert {line.status for line in verdict.lines} == {"match"}
    assert all(line.ratio is not None and 0 <= line.ratio <= 1 for line in verdict.lines)


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (models.BatchFirstForgotten, "before encoder: batch and time are exchanged: batch_first is missing"),
        (models.Shifted, "before encoder: the rows of the embedding are shifted by one: token t has the"),
        (models.ReluBetween, "between encoder and decoder: the source has nothing, the port applies relu"),
        (models.StatesExchanged, "between encoder and decoder: (h, c) of encoder is handed on as (c, h)"),
        (models.StateForgotten, "between encoder and decoder: the final state of encoder is not handed on"),
        (models.Late, "between encoder and decoder: it is one step late"),
        (models.GatesReordered, "decoder itself: the gates are taken in the order"),
        (models.Squashed, "after decoder: the source has nothing, the port applies tanh"),
        (models.FirstStep, "after decoder: the first step of decoder is taken for the last"),
        (models.LargerHead, "after decoder: it is 1.0001 times what the source has"),
        (models.LayersExchanged, "encoder itself: its weights are those of the source's decoder"),
        (models.DecoderMissing, "the whole model: the source has 2 recurrent cells (in encoder, decoder), "),
        (models.Residual, "between encoder and decoder: the port adds what encoder is given, as a residual"),
        (
            models.HeadWithoutBias,
            "after decoder: in every row and step it is off by the same: a bias is missing",
        ),
        (models.FeaturesReversed, "before encoder: its features are in the other order"),
        (
            models.FeaturesPermuted,
            "before encoder: its features are in another order: the source's 1, 0, 2, 5,",
        ),
        (
            models.NormBetween,
            "between encoder and decoder: the source has nothing, the port applies layer norm",
        ),
        (models.Scaled, "before encoder: each feature is scaled and shifted by numbers of its own"),
        (models.Logarithms, "after decoder: the source has nothing, the port applies log_softmax"),
        (
            models.HeadReversed,
            "after decoder: head.weight has the numbers of the source's head.weight (3, 6) in",
        ),
        (models.HeadOfAnother, "after decoder: the port has no array like the source's head.weight (3, 6)"),
        (models.Dropping, "asked twice, it answers otherwise: dropout is left on"),
        (models.Keeping, "asked twice, it answers otherwise: encoder begins with a state that is kept"),
        (models.TokensOnly, "given inputs 3 x 5, it raised ValueError: at most two"),
    ],
)
def test_the_first_wrong_place_of_a_wrong_port_is_named(port, says):
    assert first_line(port()).startswith(f"mismatch: {says}")


def test_answers_that_rounding_takes_apart_are_no_other_answers():
    """By as much as the source's own float32 and float64 are apart, which no constant tells."""
    verdict = checked(models.OrderByCall(), models.Cancelling())
    assert verdict, verdict
    assert str(checked(models.OrderByCall())).startswith("mismatch: asked twice, it answers otherwise")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (models.Dropping, "dropout is left on"),
        (models.Keeping, "encoder begins with a state that is kept from the call before"),
        (models.OnceOnly, "the second time it raised RuntimeError: used up"),
    ],
)
def test_a_source_that_answers_otherwise_the_second_time_is_refused(source, says):
    """Dropout takes its float32 and float64 apart too, which is no rounding."""
    with pytest.raises(InvalidModel, match=f"{source.__name__}: the source asked twice: {says}"):
        checked(Tagger(), source())


def test_what_is_asked_step_by_step_is_compared_by_its_outputs():
    verdict = checked(models.ByStep())
    assert verdict, verdict
    assert "not compared layer by layer: the source runs encoder, decoder, the target" in str(verdict)


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_module_is_compared_by_its_outputs():
    assert checked(torch.jit.trace(Tagger(), torch.zeros(2, 3, dtype=torch.int64)))
    wrong = checked(torch.jit.trace(models.ReluBetween(), torch.zeros(2, 3, dtype=torch.int64)))
    says = "between encoder and decoder: the port applies relu to the outputs of encoder (the output off by"
    assert str(wrong).startswith(f"mismatch: {says}")


class Stack(nn.Module):
    """Two layers as one module, or as two."""

    def __init__(self, split=False):
        super().__init__()
        torch.manual_seed(1)
        self.both = nn.LSTM(4, 4, 2, batch_first=True)
        self.low, self.high = (nn.LSTM(4, 4, batch_first=True) for _ in range(2))
        self.split = split
        for k, layer in enumerate((self.low, self.high)):
            for name, parameter in layer.named_parameters():
                parameter.data = self.both.get_parameter(name.replace("l0", f"l{k}")).data

    def forward(self, x):
        return self.high(self.low(x)[0])[0] if self.split else self.both(x)[0]


@pytest.mark.parametrize("split", [True, False])
def test_a_stack_is_compared_with_its_layers(split):
    verdict = checked(Stack(split), Stack(not split), inputs="x:float (batch,time,4)")
    assert verdict, verdict
    assert verdict.lines[1].place == ("low+high itself" if split else "both itself")


def test_a_source_that_float64_cannot_run_leaves_segments_inconclusive():
    class Narrow(Tagger):
        def encoded(self, tokens):
            outputs, state = super().encoded(tokens)
            return outputs.numpy().astype("float32"), state

        def decoded(self, outputs, state):
            return super().decoded(torch.from_numpy(outputs), state)

    verdict = checked(models.LargerHead(), Narrow())
    assert verdict.status == "inconclusive"
    assert "the source cannot be run in float64" in verdict.reason
    after = next(line for line in verdict.lines if line.place == "after decoder")
    assert (after.status, after.ratio) == ("inconclusive", None)


def test_a_place_that_is_wrong_is_told_with_how_much_it_is_beyond_its_allowance():
    lines = {line.place: line for line in checked(models.GatesReordered()).lines}
    for place, line in lines.items():
        assert (line.ratio > 1) == (line.status == "mismatch"), place
    forgotten = checked(models.BatchFirstForgotten(), batch=2, time=3)
    assert forgotten.lines[0].ratio == float("inf")  # of another shape


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("tokens:int (batch,time)", "int needs a range"),
        ("tokens:int(0..9) (rows,time)", "needs the form"),
        (None, "has no input specification"),
        ("missing.npz", "missing.npz: no arrays can be read"),
    ],
)
def test_inputs_that_cannot_be_understood_are_told(inputs, says):
    with pytest.raises(InvalidModel, match=says):
        checked(Tagger(), inputs=inputs, batch=2)


def test_a_persons_own_arrays_are_given(tmp_path):
    import numpy as np

    np.savez(tmp_path / "own.npz", tokens=np.arange(12).reshape(3, 4))
    verdict = checked(Tagger(), inputs=tmp_path / "own.npz")
    assert verdict, verdict
    assert "inputs: the arrays that were given: 1 examples of 3 x 4" in str(verdict)
    assert not checked(models.ReluBetween(), inputs=tmp_path / "own.npz")


def test_batch_and_time_are_fixed():
    assert "5 examples of 4 x 7\n" in str(checked(Tagger(), batch=4, time=7))


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(4, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


class Scaled(Plain):
    def forward(self, x):
        return super().forward(x).repeat(1, 1, 2)


def test_without_inputs_a_model_is_compared_by_its_layer_and_told_to_be():
    assert lockstep_check(Plain(), Plain(), examples=4)
    verdict = lockstep_check(Scaled(), Plain(), examples=4)
    assert verdict.only == "layer rnn; the model around it was not run"
    assert "not compared as whole models: the source has no input specification" in str(verdict)


def test_a_layer_that_is_named_is_compared_alone():
    verdict = lockstep_check(Tagger(), models.ReluBetween(), layer="encoder", examples=4)
    assert verdict.only.startswith("layer encoder alone")
