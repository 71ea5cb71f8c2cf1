"""OpenCV's module dnn: models of one GRU or LSTM node, which hold their weights."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.onnx_nodes import (
    IN_ONNX,
    OPERATORS,
    feeds,
    fix_sizes,
    form_of,
    model_of,
    trace_of,
)
from rnn_lockstep.reference import Case, FunctionError, Trace

CONSTANTS = ("W", "R", "B", "sequence_lens")
# Its tanh of four numbers and more has an absolute error: of a small number few digits are right.
ERRORS: dict[str, Any] = {
    "sigmoid_ulps": {"float32": 4},
    "functions": {"tanh": {"float32": FunctionError(3, 3 * 2.0**-24)}},
}


class OpenCv:
    """Drives a net made for each case, of fixed sizes."""

    def __init__(self) -> None:
        import cv2

        cv2.setNumThreads(1)
        cv2.utils.logging.setLogLevel(0)  # what it raises is enough
        self.cv2 = cv2
        self.facts = Facts(
            "opencv",
            version=cv2.__version__,
            settings="dnn, 1 thread",
            dtypes=("float32",),
            **{**IN_ONNX, "cells": ("gru", "lstm"), "activations": ()},  # it has no layer of type "RNN"
            **ERRORS,
        )

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)
        if case.recurrent_activation != "sigmoid":
            raise Refused("'Strings' are not supported in function 'getLayerParams'")
        if case.batch == 0 or case.time == 0:
            raise Refused("Assertion failed: it takes no array without numbers")
        if case.cell == "lstm" and not case.valid.all():
            raise Refused("Assertion failed: *it == seq_length")
        given = feeds(case)
        constants = {name: given.pop(name) for name in list(given) if name in CONSTANTS}
        model = model_of(form_of(case), constants)
        # Of an array whose size is not told it takes all sizes for 1.
        fix_sizes(model, {name: array.shape for name, array in given.items()})
        net = self.cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
        for name, array in given.items():
            net.setInput(array, name)
        outputs = OPERATORS[model.graph.node[0].op_type].outputs
        return trace_of(case, *map(np.array, net.forward(outputs)))
