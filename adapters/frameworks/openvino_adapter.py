"""OpenVINO: models of one RNN, GRU or LSTM node, on the CPU."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.onnx_nodes import (
    IN_ONNX,
    Form,
    feeds,
    fix_sizes,
    form_of,
    model_of,
    trace_of,
)
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.oracle.validation import Array

WEIGHTS = ("W", "R", "B")
# Where the CPU has bfloat16, OpenVINO computes in it unless it is told not to.
CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float32": 2, "float16": 1},
    "sigmoid_ulps": {"float32": 5, "float16": 1},
    "tanh_typical": {"float32": 0.45, "float16": 0.35},
    "sigmoid_typical": {"float32": 0.7, "float16": 0.35},
}
# What it says where it cannot run a model.
REFUSALS = (
    "Unknown activation function",
    "Unsupported activation function",
    "could not create a primitive descriptor",  # no rows
    "Dimension `batch_size` is not matched",  # no rows
)


class OpenVino:
    """Drives a compiled model, made once for all cases of a form; weights are inputs of it.

    With the tag `constants` the model holds them, and each case has a model of its own; with `static` its
    shapes are fixed too. OpenVINO has another way to compute for each of the three.
    """

    def __init__(self, tag: str = "") -> None:
        import openvino

        self.openvino, self.core, self.tag = openvino, openvino.Core(), tag
        self.facts = Facts(
            f"openvino:{tag}" if tag else "openvino",
            version=openvino.__version__.partition("-")[0],
            settings="inference precision f32, 1 thread",
            dtypes=("float32", "float16"),  # it computes float64 in float32
            **{**IN_ONNX, "activations": ("relu", "sigmoid")},
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(
        self,
        form: Form,
        shapes: tuple[tuple[str, tuple[int, ...]], ...],
        constants: Mapping[str, Array] = MappingProxyType({}),
    ) -> Any:
        """Compile a model. shapes: of those of its inputs that are fixed.  constants: see `model_of`."""
        model = model_of(form, constants)
        fix_sizes(model, dict(shapes))
        return self.core.compile_model(self.core.read_model(model.SerializeToString()), "CPU", CONFIG)

    def _compiled(self, form: Form, given: dict[str, Array]) -> Any:
        """The compiled model for what it is given; what it holds itself is taken out."""
        shapes = {name: array.shape for name, array in given.items()}
        weights = {name: shape for name, shape in shapes.items() if name in WEIGHTS}
        if not self.tag:  # it reads no GRU without B if it knows no size of W
            return self.cache(form, tuple(weights.items()))
        constants = {name: given.pop(name) for name in weights}
        fixed = {name: shapes[name] for name in given if self.tag == "static"}
        return self._build(form, tuple(fixed.items()), constants)

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)
        if case.initial_state is not None and not case.valid.any(axis=1).all():
            raise Refused("ONNX says nothing of a row without steps, whose state OpenVINO leaves with zeros")
        if case.time == 0:
            raise Refused("without steps its final states are what was in memory, or have no size")
        given = feeds(case)
        try:
            compiled = self._compiled(form_of(case), given)
            answers = compiled.create_infer_request().infer(given)
        except RuntimeError as error:
            said = next((reason for reason in REFUSALS if reason in str(error)), None)
            if said is None:
                raise
            raise Refused(said) from None
        return trace_of(case, *(np.array(answers[output]) for output in compiled.outputs))
