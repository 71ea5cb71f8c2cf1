"""What ports leave on padding: told as a note where the source leaves something else, and else not."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import function_of, module


def leaving(source, what):
    """A function that computes what a module does, and leaves something on padding."""
    within = function_of(source, takes="lengths")

    def answer(inputs, initial_state=None, lengths=None):
        outputs, *states = within(inputs, initial_state, lengths)
        if what == "continued":
            outputs = within(inputs, initial_state)[0]
        elif lengths is not None and what != "zeros":
            padding = np.arange(inputs.shape[1]) >= lengths[:, None]
            last = outputs[np.arange(len(outputs)), lengths - 1]
            outputs = np.where(padding[..., None], last[:, None] if what == "repeated" else 7, outputs)
        return outputs, *states

    return answer


SAYS = {
    "zeros": "zeros",
    "repeated": "the last output of the row again",
    "continued": "what it computes of the padding",
    "sevens": "other numbers",
}


@pytest.mark.parametrize("what", SAYS)
def test_what_a_port_leaves_on_padding_is_told_where_the_source_leaves_something_else(what):
    source = module(nn.GRU)  # packed, which leaves zeros
    verdict = check_port(source, leaving(source, what))
    assert verdict, verdict
    notes = [note for note in verdict.notes if "padding, after" in note]
    if what == "zeros":
        assert not notes
    else:
        end = f"it leaves {SAYS[what]}, where the source leaves zeros"
        assert notes == [f"on padding, after the end of each row, {end}"]


class Padded(nn.Module):
    """A port of a masked GRU of Keras's, which leaves zeros on padding."""

    def __init__(self, cell):
        super().__init__()
        self.rnn = module(nn.GRU)
        with torch.no_grad():
            for name, kernel in (("weight_ih_l0", cell.kernel), ("weight_hh_l0", cell.recurrent_kernel)):
                z, r, n = torch.tensor(np.asarray(kernel)).T.chunk(3)
                getattr(self.rnn, name).copy_(torch.cat([r, z, n]))
            for name in ("bias_ih_l0", "bias_hh_l0"):
                getattr(self.rnn, name).zero_()

    def forward(self, x, lengths):
        valid = torch.arange(x.shape[1]) < lengths[:, None]
        return torch.where(valid[..., None], self.rnn(x)[0], 0.0)


def test_whole_models_have_a_note_on_what_they_leave_there():
    keras = pytest.importorskip("keras")
    inputs, layer = keras.Input((None, 4)), keras.layers.GRU(4, return_sequences=True, name="rnn")
    source = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    verdict = lockstep_check(source, Padded(layer.cell))
    assert verdict, verdict
    [note] = [note for note in verdict.notes if "padding" in note]
    assert "it leaves zeros, where the source leaves the last output of the row again" in note
    assert not any("padding" in note for note in lockstep_check(source, source).notes)
