"""NumPy: the oracle's own formulas, run in the case's dtype. The template for an adapter of your own."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, SOFTSIGN, Facts
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace
from rnn_lockstep.reference.oracle.engine import PLAIN, Engine, as_arrays
from rnn_lockstep.reference.oracle.gradients import gradients_in


class Stored(np.ndarray[Any, Any]):
    """An array in a half type, as frameworks have them: each operation is run in float32, then stored.

    NumPy by itself would answer a product of bfloat16 matrices in float32.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        wide = (np.asarray(x, np.float32) if isinstance(x, np.ndarray) else x for x in operands)
        return ufunc(*wide).astype(self.dtype).view(Stored)


STORED = Engine(lambda array: array.view(Stored))


class NumpyAdapter:
    """Drives the oracle's own formulas, in the case's dtype instead of float64."""

    facts = Facts(
        "numpy",
        version=np.__version__,
        tanh_ulps={"float32": 2, "float64": 2, "float16": 1, "bfloat16": 1},
        sigmoid_ulps={"float32": 4, "float64": 3, "float16": 3, "bfloat16": 3},
        tanh_typical={"float32": 0.55, "float16": 0.35, "bfloat16": 0.35},
        sigmoid_typical={"float32": 0.65, "float16": 0.35, "bfloat16": 0.35},
        functions={**SOFTSIGN, "elu": {"float32": FunctionError(3), "float64": FunctionError(1)}},
        **EVERYTHING,
    )

    def run(self, case: Case) -> Trace:
        """Evaluate the case in its dtype; see `Adapter.run`."""
        return as_arrays((STORED if case.dtype.itemsize == 2 else PLAIN).answer(case))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Any]:
        """Backpropagate through time in the case's dtype; in a half type some of it in a wider one."""
        found = gradients_in(lambda array: array, case, cotangents)
        return {name: np.asarray(found[name], case.dtype) for name in case.arrays()}
