"""Layers that run backwards: their outputs are in the order of the inputs, their last step is the first."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Trace
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer
from rnn_lockstep.tests.harness.needs import needs


@needs("reverse")
@fewer(2)
@given(data=st.data())
def test_reverse(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Lengths too: the padding comes first then, and must not be eaten."""
    backend.check(data.draw(backend.cases(cell, "several steps", padded=True, backwards=True)))


@needs("reverse")
@fewer(8)
@given(data=st.data())
def test_reverse_is_the_flipped_sequence_flipped_back(
    backend: Backend, cell: str, data: st.DataObject
) -> None:
    case = data.draw(backend.cases(cell, "several steps", backwards=True))
    flipped = replace(case, inputs=np.ascontiguousarray(case.inputs[:, ::-1]), reverse=False)
    run = backend.run(flipped)
    outputs = run.outputs[:, ::-1] if case.reverse else run.outputs
    wanted = case if case.reverse else flipped
    backend.check(wanted, Trace(outputs, *run.states), claim="reverse is flip, forwards, flip")
