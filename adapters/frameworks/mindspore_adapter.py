"""MindSpore's cells on the CPU, `mindspore.nn.RNNCell`, `GRUCell` and `LSTMCell`, each step a graph.

Its default mode, op by op, cannot read a tuple under NumPy 2: "Numpy init failed". Its layers are unrolled in
a graph, of which 520 steps take minutes to compile; they are no backend.
"""

import os
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.torch_adapter import unsupported
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, FunctionError, Trace
from rnn_lockstep.reference.oracle.validation import Array

# In float32 its tanh is off by 1e-4 between 4 and 6, where it exceeds 1:
# tests/known_failures/alone/mindspore_defects.py. Its exp is off by 4 ulps for each unit.
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float16": 1},
    "sigmoid_ulps": {"float16": 3},
    "tanh_typical": {"float16": 0.35},
    "sigmoid_typical": {"float16": 0.75},
    "functions": {
        "tanh": {"float32": FunctionError(4, 2.0**-13, 1700)},
        "sigmoid": {"float32": FunctionError(16, 2.0**-23, 14)},
    },
}
CELLS = {"simple_rnn": "RNNCell", "gru": "GRUCell", "lstm": "LSTMCell"}
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # in the order of `Weights`


class MindSporeCells:
    """Drives a cell of `mindspore.nn` step by step, compiled for each form and batch."""

    def __init__(self, tag: str = "cells") -> None:
        os.environ.setdefault("GLOG_v", "3")  # errors alone
        import mindspore

        mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
        self.mindspore = mindspore
        self.facts = Facts(
            f"mindspore:{tag}",
            version=mindspore.__version__,
            settings="graph mode",
            dtypes=("float32", "float16"),
            cells=tuple(CELLS),
            reset_after=(True,),
            biases=(0, 1, 2),
            compiles=True,
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=64)(self._build)

    def _build(self, cell: str, activation: str, dtype: str, bias: bool, batch: int, *sizes: int) -> Any:
        """Make a cell for one batch alone: what it has compiled is freed with it. sizes: D and H."""
        options = {"nonlinearity": activation} if cell == "simple_rnn" else {}
        kind = getattr(self.mindspore.nn, CELLS[cell])
        return kind(*sizes, has_bias=bias, dtype=getattr(self.mindspore, dtype), **options)

    def run(self, case: Case) -> Trace:
        """Run the case step by step; see `Adapter.run`."""
        if reason := unsupported(case).replace("torch.nn.", "mindspore.nn."):
            raise Refused(reason)
        self.facts.need(case)
        bias = case.b is not None or case.recurrent_b is not None
        sizes = (case.batch, case.input_size, case.hidden_size)
        cell = self.cache(case.cell, case.activation, case.dtype.name, bias, *sizes)
        for name, array in zip(PARAMETERS, pack(case.weights, case.cell, "torch"), strict=False):
            if array is not None:
                getattr(cell, name).set_data(self._tensor(array))
        single = case.cell != "lstm"  # an LSTM takes and gives (h, c), the others h alone
        state = tuple(map(self._tensor, case.start))
        outputs = np.empty((case.batch, case.time, case.hidden_size), case.dtype)
        for t in range(case.time):
            new = cell(self._tensor(case.inputs[:, t]), state[0] if single else state)
            state = (new,) if single else new
            output = state[0].asnumpy()
            if output.dtype != case.dtype:
                raise TypeError(f"mindspore.nn.{CELLS[case.cell]} answers {output.dtype} to {case.dtype}")
            outputs[:, t] = output
        return Trace(outputs, *(np.array(final.asnumpy()) for final in state))

    def _tensor(self, array: Array) -> Any:
        """The array as a tensor, in memory of its own."""
        return self.mindspore.Tensor(np.array(array, order="C"))
