"""Sequences of different lengths in one batch: what follows a row's length does not matter.

The padding is full of NaN. Outputs there are zero; the final state is each row's last that counts.
"""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer
from rnn_lockstep.tests.harness.needs import needs


@needs("lengths")
@fewer(2)
@given(data=st.data())
def test_padded_batch(backend: Backend, cell: str, data: st.DataObject) -> None:
    backend.check(data.draw(backend.cases(cell, "several steps", padded=True, backwards=True)))


@needs("masks")
@fewer(4)
@given(data=st.data())
def test_padding_anywhere(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Padding before, between and after the steps that count, as a mask says."""
    backend.check(data.draw(backend.cases(cell, "several steps", masked=True, backwards=True)))


@needs("lengths")
@fewer(8)
@given(data=st.data())
def test_padding_does_not_matter(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Padding may hold anything: the answer with large numbers is right for NaN, and the other way round."""
    case = data.draw(backend.cases(cell, "several steps", padded=True, backwards=True))
    inputs = np.where(case.valid[..., None], case.inputs, np.array(1e4, case.dtype))
    other = replace(case, inputs=inputs)
    backend.check(case, backend.run(other), claim="large numbers in the padding")
    backend.check(other, backend.run(case), claim="NaN in the padding")
