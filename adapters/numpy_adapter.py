"""NumPy: the oracle's own formula, run in the case's dtype. The template for an adapter of your own."""

from typing import Any

import numpy as np

from adapters.contract import Facts
from reference import Case, Trace
from reference.cells import simple_rnn_cell
from reference.layer import unroll


class NumpyAdapter:
    facts = Facts("numpy", version=np.__version__, tanh_ulps={"float32": 2, "float64": 2})

    def run(self, case: Case) -> Trace:
        def cell(x_t: Any, h: Any) -> Any:
            return simple_rnn_cell(x_t, h, case.W, case.U, case.b, case.activation)

        return Trace(*unroll(cell, case.inputs, case.h0))
