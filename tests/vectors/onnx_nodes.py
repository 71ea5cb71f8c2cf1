"""The RNN, GRU and LSTM node cases that ship in the onnx package, read into cases of the reference layout."""

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import onnx

from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.cells import Weights

CELLS = {"RNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}


class NodeCase(NamedTuple):
    """A node case in the reference layout, and what it says the right answer is.

    expected: of Y, Y_h and Y_c those that the case has, in its own layout.  batch_first: that layout.
    rtol, atol: the case's own tolerances, with which ONNX's backend tests compare.
    """

    case: Case
    expected: dict[str, np.ndarray]
    batch_first: bool
    rtol: float
    atol: float

    @property
    def final_state(self) -> np.ndarray:
        """Y_h as (directions, batch, H)."""
        state = self.expected["Y_h"]
        return state.swapaxes(0, 1) if self.batch_first else state


@cache
def node_cases() -> dict[str, Any]:
    """The package's cases of the three operators by name."""
    with warnings.catch_warnings():  # of operators we do not look at
        warnings.simplefilter("ignore")
        # Importing a module enters its cases; collect_testcases() imports, and computes, all 200 of them.
        from onnx.backend.test.case.node import _NodeTestCases, gru, lstm, rnn  # noqa: F401

        return {case.name: case for case in _NodeTestCases}


def read(name: str) -> NodeCase:
    """The case of a name."""
    node_case = node_cases()[name]
    node = node_case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    [(inputs, outputs)] = node_case.data_sets
    given = dict(zip(node.input, inputs, strict=True))
    expected = dict(zip([name for name in node.output if name], outputs, strict=True))
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
    return NodeCase(case, expected, batch_first, node_case.rtol, node_case.atol)
