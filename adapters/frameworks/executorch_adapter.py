"""ExecuTorch: PyTorch's modules as `torch.export` exports them, lowered to a program of its runtime."""

import warnings
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from rnn_lockstep.adapters.backends.contract import Refused
from rnn_lockstep.adapters.frameworks.torch_adapter import TorchAdapter, refusal, states_in
from rnn_lockstep.reference import Case, Trace

# As `Facts` has them, of XNNPACK and of the portable kernels.
XNNPACK: dict[str, Any] = {"tanh_ulps": {"float32": 6}, "tanh_typical": {"float32": 1.4}}
PORTABLE: dict[str, Any] = {
    "tanh_ulps": {"float32": 3, "float64": 3},
    "tanh_typical": {"float32": 0.7},
    "sigmoid_ulps": {"float32": 3, "float64": 3},
}
MOST_GATED = 50  # steps of a GRU or an LSTM, which take half a minute to lower


class ExecuTorch(TorchAdapter):
    """Drives a method of a program, lowered for each form and shape; weights are inputs of it.

    It leaves what it can to XNNPACK, or nothing with the tag `portable`.
    """

    def __init__(self, tag: str = "") -> None:
        super().__init__()
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
        from executorch.runtime import Runtime

        self.lowered, self.runtime = to_edge_transform_and_lower, Runtime.get()
        # Of weights that are inputs it takes products only if told so.
        self.partitioners = [] if tag else [XnnpackPartitioner(force_fp32_dynamic_linear=True)]
        self.facts = replace(
            self.facts,
            name=f"executorch:{tag}" if tag else "executorch",
            version=version("executorch"),
            settings=f"{'without' if tag else 'with'} XNNPACK, torch {self.torch.__version__}",
            dtypes=("float64", "float32") if tag else ("float32",),  # XNNPACK has no float64
            lengths=False,
            most_steps=100,  # torch.export unrolls them, and to lower more takes minutes
            gradients=False,
            compiles=True,
            **(PORTABLE if tag else XNNPACK),
        )
        self.methods = lru_cache(maxsize=128)(self._lower)

    def run(self, case: Case) -> Trace:
        """Run the case in a lowered module; see `Adapter.run`."""
        if reason := refusal(case):
            raise Refused(reason)
        if case.time > MOST_GATED and case.cell != "simple_rnn":
            raise Refused(f"more than {MOST_GATED} steps of gates take more than a minute to lower")
        self.facts.need(case)  # a packed sequence would lead past the program
        return super().run(case)

    def _lower(self, module: Any, *shapes: Any) -> Any:
        """Export and lower a module for inputs and initial states of these shapes."""
        torch, names = self.torch, [name for name, _ in module.named_parameters()]

        class OfWeights(torch.nn.Module):  # type: ignore[misc, name-defined]
            def forward(self, weights: Any, inputs: Any, *states: Any) -> Any:
                given = (inputs, states[0] if len(states) == 1 else states) if states else (inputs,)
                return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), given)

        weights = tuple(module.parameters())
        states = [torch.zeros(shape, dtype=weights[0].dtype) for shape in shapes]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch does itself
            program = torch.export.export(OfWeights(), (weights, *states))
            made = self.lowered(program, partitioner=self.partitioners).to_executorch().buffer
        loaded = self.runtime.load_program(made)
        return loaded.load_method("forward"), loaded, made  # a method keeps neither of the others alive

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Run the lowered module."""
        states = states_in(start)
        method, *_ = self.methods(module, *(tuple(array.shape) for array in (inputs, *states)))
        given = (*module.parameters(), inputs, *states)
        # The strides of an empty array may be any, and others than these end the process.
        order = self.torch.contiguous_format
        answers = method.execute([x.detach().clone(memory_format=order) for x in given])
        outputs, *final = (x.clone() for x in answers)
        return outputs, final if len(final) > 1 else final[0]
