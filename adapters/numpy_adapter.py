"""NumPy: the oracle's own formulas, run in the case's dtype. The template for an adapter of your own."""

import numpy as np

from adapters.contract import EVERYTHING, Facts
from reference import Case, Trace
from reference.stack import run_layers


class NumpyAdapter:
    facts = Facts(
        "numpy",
        version=np.__version__,
        tanh_ulps={"float32": 2, "float64": 2},
        sigmoid_ulps={"float32": 4, "float64": 3},
        **EVERYTHING,
    )

    def run(self, case: Case) -> Trace:
        return run_layers(case)
