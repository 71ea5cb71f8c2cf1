"""Outside truth: the RNN, GRU and LSTM node cases that ship in the onnx package.

They give inputs, weights in ONNX's layout and the final state, computed by ONNX's own reference. The
oracle is run with its rounding error carried from step to step, and must agree within that.
"""

import warnings
from functools import cache

import numpy as np
import onnx
import pytest

from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS, unpack
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.oracle.cells import GATES, Weights
from rnn_lockstep.reference.oracle.engine import carried

CELLS = {"RNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}


@cache
def node_cases():
    """The package's cases of the three operators by name."""
    with warnings.catch_warnings():  # of operators we do not look at
        warnings.simplefilter("ignore")
        # Importing a module enters its cases; collect_testcases() imports, and computes, all 200 of them.
        from onnx.backend.test.case.node import _NodeTestCases, gru, lstm, rnn  # noqa: F401

        return {case.name: case for case in _NodeTestCases}


def read(node_case):
    """The case in the reference layout and the final state (directions, batch, H) it should have."""
    node = node_case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    [(inputs, outputs)] = node_case.data_sets
    given = dict(zip(node.input, inputs, strict=True))
    expected = dict(zip([name for name in node.output if name], outputs, strict=True))["Y_h"]
    x, batch_first = given["X"], attributes.get("layout", 0) == 1
    cell, none = CELLS[node.op_type], [None] * 2
    if "P" in given:
        cell = f"peephole_{cell}"
    arrays = zip(given["W"], given["R"], given.get("B", none), given.get("P", none), strict=False)
    directions = [
        unpack(Weights(W, R, *(np.split(B, 2) if B is not None else none), peepholes=P), cell, "onnx")
        for W, R, B, P in arrays
    ]
    case = Case(
        x if batch_first else x.swapaxes(0, 1),
        **directions[0]._asdict(),
        more_weights=tuple(directions[1:]),
        merge_mode="concat" if len(directions) == 2 else None,
        reverse=attributes.get("direction") == b"reverse",
        cell=cell,
        reset_after=False,  # linear_before_reset is 0 where not given
    )
    return case, expected.swapaxes(0, 1) if batch_first else expected


def test_the_cases_are_those_we_know():
    assert len(node_cases()) == 18
    assert sum(read(case)[0].directions for case in node_cases().values()) == 18 + 3
    assert read(node_cases()["test_lstm_with_peepholes"])[0].cell == "peephole_lstm"


@pytest.mark.parametrize("name", sorted(node_cases()))
def test_final_state(name):
    case, expected = read(node_cases()[name])
    arithmetic = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(2), "sigmoid": FunctionError(4)})
    [runs] = carried(arithmetic).layers(case)
    for run, state in zip(runs, expected, strict=True):
        final_state = run.final[0].closed()
        assert final_state.error.max() < 1e-5
        assert np.all(np.abs(state - final_state.value) <= final_state.error)


def test_gates_in_onnx_order():
    """ONNX's LSTM is i o f c and its GRU z r h, so the tables differ from the reference's."""
    assert LAYOUTS["onnx"].gates["lstm"] != "".join(GATES["lstm"])
    assert LAYOUTS["onnx"].gates["gru"] != "".join(GATES["gru"])
