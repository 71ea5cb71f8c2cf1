"""What two whole models leave on padding in their outputs: a note where they differ, and no more."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rnn_lockstep.adapters.port.padding import left_on_padding
from rnn_lockstep.adapters.port.whole.allowance import Beside, compared


def padding_notes(tensors: Sequence[Sequence[Beside]]) -> Iterator[str]:
    """A note on each output that is another on padding. tensors: the outputs, by question."""
    for each in zip(*tensors, strict=True):
        padded = [
            (
                replace(t, valid=~t.valid),
                left_on_padding(t.target, lengths),
                left_on_padding(t.narrow, lengths),
            )
            for t in each
            if t.valid is not None and not t.wrong_shape and not t.valid.all()
            for lengths in [t.valid.sum(axis=1)]
        ]
        if padded and compared([beside for beside, _, _ in padded]).status == "mismatch":
            beside, its, own = padded[0]
            what = f"{its}, where the source leaves {own}" if its != own else "other numbers than the source"
            yield f"{beside.name}: on padding, after the end of each row, it leaves {what}"
