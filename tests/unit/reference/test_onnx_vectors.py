"""Outside truth: the RNN, GRU and LSTM node cases that ship in the onnx package.

They give inputs, weights in ONNX's layout and the final state, computed by ONNX's own reference. The
oracle is run with its rounding error carried from step to step, and must agree within that.
"""

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS
from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.engine import carried
from tests.vectors.onnx_nodes import node_cases, read


def test_the_cases_are_those_we_know():
    assert len(node_cases()) == 18
    assert sum(read(name).case.directions for name in node_cases()) == 18 + 3
    assert read("test_lstm_with_peepholes").case.cell == "peephole_lstm"


@pytest.mark.parametrize("name", sorted(node_cases()))
def test_final_state(name):
    node = read(name)
    arithmetic = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(2), "sigmoid": FunctionError(4)})
    [runs] = carried(arithmetic).layers(node.case)
    for run, state in zip(runs, node.final_state, strict=True):
        final_state = run.final[0].closed()
        assert final_state.error.max() < 1e-5
        assert np.all(np.abs(state - final_state.value) <= final_state.error)


def test_gates_in_onnx_order():
    """ONNX's LSTM is i o f c and its GRU z r h, so the tables differ from the reference's."""
    assert LAYOUTS["onnx"].gates["lstm"] != "".join(GATES["lstm"])
    assert LAYOUTS["onnx"].gates["gru"] != "".join(GATES["gru"])
