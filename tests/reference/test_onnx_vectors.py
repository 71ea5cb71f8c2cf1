"""Outside truth: the RNN, GRU and LSTM node cases that ship in the onnx package.

They give inputs, weights in ONNX's layout and the final state, computed by ONNX's own reference. The
oracle is run with its rounding error carried from step to step, and must agree within that.
"""

import warnings
from functools import cache

import numpy as np
import onnx
import pytest

from adapters.layouts import LAYOUTS, unpack
from reference import Case
from reference.cells import GATES, Weights
from reference.rounding import Arithmetic, Rounded

CELLS = {"RNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}
NOT_YET = {
    "test_lstm_with_peepholes": "peepholes are not part of the LSTM here",
    "test_simple_rnn_bidirectional": "two directions",
    "test_gru_bidirectional": "two directions",
    "test_lstm_bidirectional": "two directions",
}


@cache
def node_cases():
    """The package's cases of the three operators by name."""
    with warnings.catch_warnings():  # of operators we do not look at
        warnings.simplefilter("ignore")
        # Importing the three modules enters their cases; asking for one operator enters no others.
        from onnx.backend.test.case.node import collect_testcases, gru, lstm, rnn  # noqa: F401

        return {case.name: case for case in collect_testcases("RNN")}


def read(node_case):
    """The case in the reference layout and the final state (batch, H) it should have."""
    node = node_case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    [(inputs, outputs)] = node_case.data_sets
    given = dict(zip(node.input, inputs, strict=True))
    expected = dict(zip([name for name in node.output if name], outputs, strict=True))["Y_h"]
    x, batch_first = given["X"], attributes.get("layout", 0) == 1
    x = x if batch_first else x.swapaxes(0, 1)
    if attributes.get("direction") == b"reverse":
        x = x[:, ::-1]
    cell = CELLS[node.op_type]
    b, recurrent_b = np.split(given["B"][0], 2) if "B" in given else (None, None)
    weights = unpack(Weights(given["W"][0], given["R"][0], b, recurrent_b), cell, "onnx")
    # linear_before_reset is 0 where not given
    case = Case(x, *weights[:3], cell=cell, recurrent_b=weights.recurrent_b, reset_after=False)
    return case, expected[:, 0] if batch_first else expected[0]


def test_the_cases_are_those_we_know():
    assert len(node_cases()) == 18
    assert set(NOT_YET) < set(node_cases())


@pytest.mark.parametrize("name", sorted(set(node_cases()) - set(NOT_YET)))
def test_final_state(name):
    case, expected = read(node_cases()[name])
    arithmetic = Arithmetic(np.dtype("float32"), tanh_ulps=2, sigmoid_ulps=4)
    state = tuple(Rounded(array, arithmetic) for array in case.start)
    for t in range(case.time):
        state = case.step(Rounded(case.inputs[:, t], arithmetic), state)
    final_state = state[0].closed()
    assert final_state.error.max() < 1e-5
    assert np.all(np.abs(expected - final_state.value) <= final_state.error)


def test_gates_in_onnx_order():
    """ONNX's LSTM is i o f c and its GRU z r h, so the tables differ from the reference's."""
    assert LAYOUTS["onnx"].gates["lstm"] != "".join(GATES["lstm"])
    assert LAYOUTS["onnx"].gates["gru"] != "".join(GATES["gru"])
