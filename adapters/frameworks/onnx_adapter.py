"""The ONNX project's own reference evaluator: models of one RNN, GRU or LSTM node."""

from functools import lru_cache
from typing import Any

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.onnx_nodes import (
    IN_ONNX,
    WITH_PEEPHOLES,
    Form,
    feeds,
    form_of,
    model_of,
    trace_of,
)
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.bound.arithmetic import DTYPES

# NumPy's functions, in the dtype itself.
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float32": 2, "float64": 2, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float32": 4, "float64": 3, "float16": 3, "bfloat16": 3},
    "tanh_typical": {"float32": 0.55, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float32": 0.7, "float16": 0.65, "bfloat16": 0.65},
}


class OnnxReference:
    """Drives `onnx.reference.ReferenceEvaluator`, which runs operators in NumPy.

    With the tag `layout` the rows of a batch come before the steps: the attribute layout is 1.
    """

    def __init__(self, tag: str = "") -> None:
        import onnx

        self.layout = int(tag == "layout")
        self.facts = Facts(
            f"onnx:{tag}" if tag else "onnx",
            version=onnx.__version__,
            dtypes=DTYPES,
            **{**IN_ONNX, "cells": WITH_PEEPHOLES},
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, form: Form) -> Any:
        """Make an evaluator."""
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model_of(form))

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)
        if case.time == 0:
            raise Refused("need at least one array to stack")
        try:
            evaluator = self.cache(form_of(case, self.layout))
        except RuntimeError as error:
            if "Unknown activation function" in str(error):
                raise Refused(str(error)) from None
            raise
        answers = evaluator.run(None, feeds(case, self.layout))
        return trace_of(case, *answers, layout=self.layout)
