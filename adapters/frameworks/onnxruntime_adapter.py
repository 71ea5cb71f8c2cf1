"""ONNX Runtime: models of one RNN, GRU or LSTM node."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from rnn_lockstep.adapters.backends.contract import SOFTSIGN, Facts, Refused
from rnn_lockstep.adapters.frameworks.onnx_nodes import (
    IN_ONNX,
    WITH_PEEPHOLES,
    Form,
    feeds,
    form_of,
    model_of,
    trace_of,
)
from rnn_lockstep.adapters.frameworks.runtimes import ONNX_RUNTIME
from rnn_lockstep.reference import Case, FunctionError, Trace
from rnn_lockstep.reference.oracle.validation import Array

WEIGHTS = ("W", "R", "B", "P")
ABSOLUTE = ONNX_RUNTIME.function_error

# Its tanh, sigmoid and elu are quotients of polynomials, whose error is absolute where the value is nearly
# 0 or 1; a float16 is computed in float32.
ERRORS: dict[str, Any] = {
    "function_error": ABSOLUTE,
    "tanh_ulps": {"float32": 5, "float16": 1},
    "sigmoid_ulps": {"float32": 1, "float16": 1},
    "tanh_typical": {"float16": 0.35},
    "sigmoid_typical": {"float16": 0.35},
    "functions": {**SOFTSIGN, "elu": {"float32": FunctionError(1, ABSOLUTE), "float16": FunctionError(1)}},
}


class OnnxRuntime:
    """Drives a session on the CPU, made once for all cases of a form; weights are inputs of its model.

    With the tag `constants` the model holds them, and each case has a session of its own.
    """

    def __init__(self, tag: str = "") -> None:
        import onnxruntime

        self.onnxruntime, self.constant = onnxruntime, tag == "constants"
        self.facts = Facts(
            f"onnxruntime:{tag}" if tag else "onnxruntime",
            version=onnxruntime.__version__,
            dtypes=("float32", "float16"),  # of float64 it says "does not support double yet"
            **{**IN_ONNX, "cells": WITH_PEEPHOLES},
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, form: Form, constants: Mapping[str, Array] = MappingProxyType({})) -> Any:
        """Make a session. constants: see `model_of`."""
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it raises is enough
        model = model_of(form, constants).SerializeToString()
        return self.onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)  # of a row without steps see github.com/onnx/onnx/issues/1674
        if case.initial_state is not None and not case.valid.any(axis=1).all():
            raise Refused("ONNX says nothing of a row without steps, which ONNX Runtime leaves with zeros")
        if len(case.record.states) == 2 and case.time == 0:
            raise Refused("its LSTM leaves Y_c unset where there are no steps: what was in memory")
        given = feeds(case)
        if not self.constant:
            return trace_of(case, *self.cache(form_of(case)).run(None, given))
        weights = {name: given.pop(name) for name in list(given) if name in WEIGHTS}
        return trace_of(case, *self._build(form_of(case), weights).run(None, given))
