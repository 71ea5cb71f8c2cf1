"""Every row of an embedding is asked, or it is said how many were."""

import torch
from torch import nn

from rnn_lockstep.adapters import lockstep_check

VOCABULARY = 9_000
TOKENS = f"tokens:int(0..{VOCABULARY - 1}) (batch,time)"


class Reader(nn.Module):
    """A model of many tokens, of which some rows may be another's."""

    def __init__(self, wrong=()):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.rnn = nn.Embedding(VOCABULARY, 4), nn.GRU(4, 5, batch_first=True)
        with torch.no_grad():
            self.embedding.weight[list(wrong)] += 0.25

    def forward(self, tokens):
        return self.rnn(self.embedding(tokens))[0]


def test_a_single_wrong_row_is_found_and_named():
    verdict = lockstep_check(Reader(), Reader(wrong=[7_531]), inputs=TOKENS)
    assert verdict.status == "mismatch"
    assert verdict.reason.startswith(
        f"before rnn: the embedding: 1 of {VOCABULARY} rows are not the source's, 7531"
    )


def test_several_are_counted_and_the_first_are_named():
    verdict = lockstep_check(Reader(), Reader(wrong=range(100, 200)), inputs=TOKENS)
    assert f"100 of {VOCABULARY} rows are not the source's, 100, 101, 102, 103, 104, ..." in verdict.reason


def test_rows_that_cannot_all_be_asked_are_counted():
    verdict = lockstep_check(Reader(), Reader(), inputs=TOKENS, batch=2, time=3)
    assert verdict, verdict
    [note] = [note for note in verdict.notes if "integers of tokens" in note]
    assert note.startswith("of the 9,000 integers of tokens, ")
    assert note.endswith("others may be wrong")


def test_all_that_are_asked_need_no_note():
    verdict = lockstep_check(Reader(), Reader(), inputs=TOKENS)
    assert verdict, verdict
    assert not any("integers" in note for note in verdict.notes)
