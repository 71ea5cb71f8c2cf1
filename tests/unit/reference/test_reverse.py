"""The meaning of reverse: flip the sequence, run it forwards, flip the outputs back."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Trace, check
from rnn_lockstep.reference.oracle.cells import GATES
from tests.unit.reference.arithmetics import of_numpy
from tests.unit.reference.test_lengths import LENGTHS, make_case


@pytest.mark.parametrize("cell", GATES)
def test_each_row_is_run_from_its_last_step_to_its_first(cell):
    case = replace(make_case(cell), reverse=True)
    trace = NumpyAdapter().run(case)
    inputs = case.inputs.copy()
    for row, length in enumerate(LENGTHS):
        inputs[row, :length] = inputs[row, :length][::-1]
    forwards = NumpyAdapter().run(replace(case, inputs=inputs, reverse=False))
    for row, length in enumerate(LENGTHS):
        back = forwards.outputs[row, :length][::-1]
        np.testing.assert_allclose(trace.outputs[row, :length], back, rtol=1e-13)
    np.testing.assert_allclose(trace.final_state, forwards.final_state, rtol=1e-13)
    assert check(case, trace, of_numpy(case)).status == "match"
    assert check(replace(case, reverse=False), trace, of_numpy(case)).status == "mismatch"


def test_the_first_wrong_step_is_the_latest():
    case = replace(make_case(lengths=np.full(4, 4)), reverse=True)
    trace = NumpyAdapter().run(case)
    trace.outputs[1, 2, 0] += 1e-9
    verdict = check(case, trace, of_numpy(case))
    assert (verdict.first.batch, verdict.first.time) == (1, 2)
    assert verdict.reason.startswith("right after step 2, wrong there (steps run backwards)")


def test_the_final_state_is_the_output_of_the_first_column():
    case = replace(make_case(lengths=np.full(4, 4)), reverse=True)
    trace = NumpyAdapter().run(case)
    verdict = check(case, Trace(trace.outputs, trace.outputs[:, -1].copy()), of_numpy(case))
    assert (
        verdict.reason
        == "final_state is outputs[:, 3], needs outputs[:, 0], the last step of a reverse layer"
    )
