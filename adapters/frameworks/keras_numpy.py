"""Keras on NumPy, on which it cannot train."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import SOFTSIGN
from rnn_lockstep.adapters.frameworks.keras_engines import Call, Signature, keras_on
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

# The errors of NumPy's functions, as `Facts` has them; in float64 Keras computes in float32.
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float32": 2, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float32": 4, "float16": 3, "bfloat16": 3},
    "tanh_typical": {"float32": 0.55, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float32": 0.7, "float16": 0.65, "bfloat16": 0.65},
    "functions": SOFTSIGN,
}


class Numpy:
    """NumPy: op by op."""

    by_shape = False

    def __init__(self) -> None:
        self.keras = keras_on("numpy")

    def facts(self) -> dict[str, Any]:
        """See `Engine.facts`."""
        return {"version": f"numpy {np.__version__}", "settings": "op by op", "gradients": False, **ERRORS}

    def scope(self, dtype: str) -> AbstractContextManager[Any]:
        """Nothing to change."""
        return nullcontext()

    def compiled(self, function: Call, signature: Signature) -> Call:
        """The function itself."""
        return function

    def array(self, tensor: Any) -> Array:
        """See `Engine.array`."""
        return np.array(tensor)

    def gradients(self, function: Call, arrays: list[Any], cotangents: list[Any]) -> list[Any]:
        """There are none, as the facts say."""
        raise NotImplementedError

    def refusal(self, case: Case) -> str:
        """See `Engine.refusal`."""
        return "index 0 is out of bounds for axis 1 with size 0" if case.time == 0 else ""
