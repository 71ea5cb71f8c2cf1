"""What whole models are given: long inputs, inputs of different lengths, and what the source refuses."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, lockstep_check

FLOATS = "x:float (batch,time,4)"


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class ResetLate(Plain):
    """A port that begins anew after 40 steps."""

    def forward(self, x):
        return torch.cat([super(ResetLate, self).forward(part) for part in x.split(40, dim=1)], dim=1)


class AtLeastFive(Plain):
    def forward(self, x):
        if x.shape[1] < 5:
            raise ValueError("too short")
        return super().forward(x)


class NeverShort(Plain):
    def forward(self, x):
        raise ValueError("too short")


class Two(Plain):
    """A model of two sequences, of whatever lengths."""

    def forward(self, x, y):
        return super().forward(x) + self.rnn(y)[0].mean(dim=1, keepdim=True)[..., :2]


class Cut(Two):
    """A port that cuts one to the length of the other."""

    def forward(self, x, y):
        return super().forward(x, y[:, : x.shape[1]])


def test_what_goes_wrong_late_is_seen():
    assert lockstep_check(Plain(), Plain(), inputs=FLOATS)
    assert lockstep_check(Plain(), ResetLate(), inputs=FLOATS).status == "mismatch"


def test_inputs_have_not_all_the_same_time():
    inputs = "x:float (batch,time,4); y:float (batch,time,4)"
    assert lockstep_check(Two(), Two(), inputs=inputs)
    assert lockstep_check(Two(), Cut(), inputs=inputs).status == "mismatch"


def test_what_the_source_refuses_is_left_out_and_told():
    verdict = lockstep_check(AtLeastFive(), Plain(), inputs=FLOATS)
    assert verdict, verdict
    [note] = [note for note in verdict.notes if "does not answer" in note]
    assert note.startswith("the source does not answer inputs 2 x 3 x 4, ")
    assert note.endswith("ValueError: too short")


def test_a_source_that_takes_nothing_is_told_in_one_line():
    with pytest.raises(InvalidModel, match="raised ValueError: too short; --inputs, --batch and --time tell"):
        lockstep_check(NeverShort(), Plain(), inputs=FLOATS)
