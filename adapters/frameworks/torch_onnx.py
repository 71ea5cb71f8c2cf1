"""PyTorch's modules as `torch.onnx.export` exports them, run by ONNX Runtime."""

import io
import logging
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

from rnn_lockstep.adapters.backends.contract import Refused
from rnn_lockstep.adapters.frameworks.onnxruntime_adapter import ERRORS
from rnn_lockstep.adapters.frameworks.torch_adapter import TorchAdapter, refusal, states_in
from rnn_lockstep.reference import Case, Trace


class TorchOnnx(TorchAdapter):
    """Drives a session for a module exported for each form and shape; weights are inputs of it.

    tag: `onnx` for the exporter of today, `onnx-legacy` for that of TorchScript.
    """

    def __init__(self, tag: str) -> None:
        super().__init__()
        import onnxruntime

        # It warns of each library that it has exporters for and that is not installed.
        logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
        self.onnxruntime = onnxruntime
        self.export = self._legacy if tag == "onnx-legacy" else self._today
        functions = {"tanh_typical": {}, "sigmoid_typical": {}, **ERRORS}
        self.facts = replace(
            self.facts,
            name=f"torch:{tag}",
            settings=f"ONNX Runtime {onnxruntime.__version__}",
            dtypes=("float32",),  # ONNX Runtime has no GRU of float64
            lengths=False,
            gradients=False,
            projection=False,  # ONNX's LSTM has none
            compiles=True,
            **functions,
        )
        self.sessions = lru_cache(maxsize=256)(self._session)

    def run(self, case: Case) -> Trace:
        """Run the case in an exported module; see `Adapter.run`."""
        if reason := refusal(case):
            raise Refused(reason)
        self.facts.need(case)  # a packed sequence would lead past the session
        return super().run(case)

    def _session(self, module: Any, *shapes: Any) -> Any:
        """Export a module for inputs and initial states of these shapes, and make a session."""
        inputs, *start = (self.torch.zeros(shape) for shape in shapes)
        states = [] if not start else [start[0] if len(start) == 1 else tuple(start)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other batches than the one that it is exported for
            model = self.export(module, (inputs, *states))
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it raises is enough
        return self.onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def _legacy(self, module: Any, arguments: Any) -> bytes:
        """Export by TorchScript."""
        file = io.BytesIO()
        options = {"do_constant_folding": False, "keep_initializers_as_inputs": True}  # other weights follow
        self.torch.onnx.export(module, arguments, file, dynamo=False, **options)
        return file.getvalue()

    def _today(self, module: Any, arguments: Any) -> bytes:
        """Export by `torch.export`."""
        export = self.torch.onnx.export
        model = export(module, arguments, dynamo=True, verbose=False, optimize=False).model
        weights = dict(module.named_parameters())
        model.graph.inputs.extend(
            value for name, value in model.graph.initializers.items() if name in weights
        )
        return bytes(self._serialized(model))

    def _serialized(self, model: Any) -> bytes:
        """The bytes of a model of `onnx_ir`."""
        import onnx_ir

        return onnx_ir.to_proto(model).SerializeToString()  # type: ignore[no-any-return]

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Run the session."""
        states = states_in(start)
        session = self.sessions(module, *(tuple(array.shape) for array in (inputs, *states)))
        weights = {name: w.numpy() for name, w in module.named_parameters()}
        names = [given.name for given in session.get_inputs() if given.name not in weights]
        arrays = (array.contiguous().numpy() for array in (inputs, *states))
        outputs, *final = session.run(None, {**weights, **dict(zip(names, arrays, strict=True))})
        tensors = [self.torch.from_numpy(state) for state in final]
        return self.torch.from_numpy(outputs), tensors if len(tensors) > 1 else tensors[0]
