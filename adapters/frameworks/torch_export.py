"""PyTorch's modules as `torch.export` exports them, decomposed into its core operators, step by step."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from rnn_lockstep.adapters.backends.contract import Refused
from rnn_lockstep.adapters.frameworks.torch_adapter import TorchAdapter, refusal
from rnn_lockstep.reference import Case, Trace


class TorchExport(TorchAdapter):
    """Drives an exported program, made for each form and shape, with the weights of the case."""

    def __init__(self, tag: str = "export") -> None:
        super().__init__()
        self.facts = replace(self.facts, name=f"torch:{tag}", lengths=False, gradients=False, compiles=True)
        self.programs = lru_cache(maxsize=128)(self._export)

    def run(self, case: Case) -> Trace:
        """Run the case in an exported program; see `Adapter.run`."""
        if reason := refusal(case):
            raise Refused(reason)
        self.facts.need(case)  # a packed sequence would lead past the program
        return super().run(case)

    def _export(self, module: Any, *shapes: Any) -> Any:
        """Export a module for inputs and initial states of these shapes; without states there are none."""
        dtype = next(module.parameters()).dtype
        inputs, *start = (self.torch.zeros(shape, dtype=dtype) for shape in shapes)
        states = None if not start else start[0] if len(start) == 1 else tuple(start)
        return self.torch.export.export(module, (inputs, states)).run_decompositions().module()

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Call the exported program."""
        states = [] if start is None else start if isinstance(start, list) else [start]
        program = self.programs(module, *(tuple(array.shape) for array in (inputs, *states)))
        arguments = (inputs, tuple(start) if isinstance(start, list) else start)
        return self.torch.func.functional_call(program, dict(module.named_parameters()), arguments)
