"""The meaning of lengths: outputs after a row's end are zero, its final state is the last that counts."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Case, Trace, check
from rnn_lockstep.reference.oracle.cells import CELLS, GATES
from tests.unit.reference.arithmetics import of_numpy

LENGTHS = np.array([4, 2, 0, 1])


def make_case(cell="simple_rnn", lengths=LENGTHS):
    """A case of four rows with lengths, and NaN in its padding."""
    rng = np.random.default_rng(0)
    rows = len(GATES[cell]) * 3
    inputs, *arrays = (rng.normal(size=s) for s in [(4, 4, 2), (rows, 2), (rows, 3), (rows,), (4, 3)])
    for row, length in enumerate(lengths):
        inputs[row, length:] = np.nan
    cell_state = rng.normal(size=(4, 3)) if len(CELLS[cell].states) == 2 else None
    seeing = len(CELLS[cell].peepholes)
    peepholes = rng.normal(size=seeing * 3) if seeing else None
    own = {"initial_cell_state": cell_state, "peepholes": peepholes}
    return Case(inputs, *arrays, cell=cell, lengths=lengths, **own)


@pytest.mark.parametrize("cell", GATES)
def test_each_row_ends_at_its_length(cell):
    case = make_case(cell)
    trace = NumpyAdapter().run(case)
    for row, length in enumerate(LENGTHS):
        some = slice(row, row + 1)
        cell_state = None if case.initial_cell_state is None else case.initial_cell_state[some]
        alone = NumpyAdapter().run(
            replace(
                case,
                inputs=case.inputs[some, :length],
                initial_state=case.h0[some],
                initial_cell_state=cell_state,
                lengths=None,
            )
        )
        np.testing.assert_allclose(trace.outputs[row, :length], alone.outputs[0], rtol=1e-13)
        np.testing.assert_array_equal(trace.outputs[row, length:], 0)
        np.testing.assert_allclose(trace.final_state[row], alone.final_state[0], rtol=1e-13)
        if alone.final_cell_state is not None:
            np.testing.assert_allclose(trace.final_cell_state[row], alone.final_cell_state[0], rtol=1e-13)
    assert check(case, trace, of_numpy(case)).status == "match"


def test_an_output_on_padding_must_be_zero():
    case = make_case()
    trace = NumpyAdapter().run(case)
    trace.outputs[1, 3, 0] = 1e-300
    verdict = check(case, trace, of_numpy(case))
    assert verdict.status == "mismatch"
    assert (verdict.first.batch, verdict.first.time, verdict.first.unit) == (1, 3, 0)


def test_the_final_state_is_each_rows_last_that_counts():
    case = make_case()
    trace = NumpyAdapter().run(case)
    verdict = check(case, Trace(trace.outputs, trace.outputs[:, -1].copy()), of_numpy(case))
    assert verdict.reason == "final_state is outputs[:, 3], needs each row's output at its length - 1"


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (np.array([4, 2, 0, 5]), r"lengths is \[4, 2, 0, 5\], needs numbers from 0 to time = 4"),
        (np.array([4, 2, -1, 1]), "needs numbers from 0 to time = 4"),
        (np.array([4, 2]), r"lengths is int64 \(2,\), needs integers of shape \(batch,\) = \(4,\)"),
        (np.array([4.0, 2, 0, 1]), r"lengths is float64 \(4,\), needs integers"),
        ([4, 2, 0, 1], "lengths is list, needs integers"),
        (np.array([4, 2, 0, 2]), r"inputs must be finite, but holds nan at index \(3, 1, 0\)"),
        (None, r"inputs must be finite, but holds nan at index \(1, 2, 0\)"),
    ],
)
def test_what_does_not_fit_is_named(lengths, message):
    with pytest.raises(ValueError, match=message):
        replace(make_case(), lengths=lengths)
