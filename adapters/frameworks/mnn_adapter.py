"""Alibaba's MNN: models of one RNN, GRU or LSTM node, converted from ONNX, which hold their weights."""

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
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
from rnn_lockstep.reference.oracle.validation import Array

WEIGHTS = ("W", "R", "B")
# Both are quotients of its exp: of a small number few digits are right.
ERRORS: dict[str, Any] = {
    "functions": {
        "tanh": {"float32": FunctionError(1, 4 * 2.0**-24)},
        "sigmoid": {"float32": FunctionError(1, 2 * 2.0**-24)},
    },
}


class Mnn:
    """Drives a module made for each case, of fixed sizes.

    The converter makes a GRU and an LSTM of smaller operators, in a loop; with the tag `layers`, of layers of
    its own.
    """

    def __init__(self, tag: str = "") -> None:
        import _tools
        import MNN

        self.nn, self.expr, self.convert = MNN.nn, MNN.expr, _tools.mnnconvert
        self.options = ["--useOriginRNNImpl"] if tag else []
        self.facts = Facts(
            f"mnn:{tag}" if tag else "mnn",
            version=MNN.version(),
            settings="precision high, 1 thread",
            dtypes=("float32",),  # of others it says "numpy type does not match"
            **IN_ONNX,
            **ERRORS,
        )

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)
        if case.batch == 0 or case.time == 0:
            raise Refused("call to readMap meet a error: it takes no array without numbers")
        given = feeds(case)
        weights = {name: given.pop(name) for name in list(given) if name in WEIGHTS}
        model = model_of(form_of(case), weights)
        fix_sizes(model, {name: array.shape for name, array in given.items()})  # it takes others for 1
        outputs = OPERATORS[model.graph.node[0].op_type].outputs
        module = self._module(model.SerializeToString(), list(given), list(outputs))
        answers = module.forward([self._variable(array) for array in given.values()])
        if not answers:
            raise RuntimeError("MNN gives no answers")
        return trace_of(case, *(np.array(answer.read()) for answer in answers))

    def _module(self, model: bytes, inputs: list[str], outputs: list[str]) -> Any:
        """Convert a model of ONNX and load it, which MNN does from files alone."""
        with TemporaryDirectory() as folder, chdir(folder):  # where the converter leaves files of its own
            source, made = Path(folder, "a.onnx"), Path(folder, "a.mnn")
            source.write_bytes(model)
            files = ["--modelFile", str(source), "--MNNModel", str(made)]
            self.convert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "MNN", *self.options])
            if not made.exists():
                raise Refused("These Op Not Support: the converter makes no model of it")
            precision = self.expr.PrecisionMode.High
            return self.nn.load_module_from_file(str(made), inputs, outputs, precision_mode=precision)

    def _variable(self, array: Array) -> Any:
        """The array as a constant of MNN's."""
        kind = self.expr.int if array.dtype == np.int32 else self.expr.float
        return self.expr.const(array, list(array.shape), self.expr.NCHW, kind)
