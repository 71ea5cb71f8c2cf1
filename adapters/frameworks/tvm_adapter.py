"""Apache TVM: PyTorch's modules as `torch.export` exports them, imported into Relax and compiled by LLVM."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Refused
from rnn_lockstep.adapters.frameworks.torch_adapter import TorchAdapter, refusal, states_in
from rnn_lockstep.reference import Case, FunctionError, Trace

# Its tanh is a quotient of numbers near 1: of a small number few digits are right.
ERRORS: dict[str, Any] = {
    "sigmoid_ulps": {"float32": 3, "float64": 3},
    "functions": {"tanh": {"float32": FunctionError(2, 2.0**-24), "float64": FunctionError(2, 2.0**-53)}},
}


class Tvm(TorchAdapter):
    """Drives a virtual machine, compiled for each form and shape; weights are inputs of it.

    torch has decomposed the module into smaller operators; with the tag `whole` it has not, and TVM's own
    converters of RNN, GRU and LSTM are asked.
    """

    def __init__(self, tag: str = "") -> None:
        super().__init__()
        import tvm
        from tvm import relax
        from tvm.relax.frontend.torch import from_exported_program

        self.tvm, self.relax, self.imported = tvm, relax, from_exported_program
        self.decomposed = tag != "whole"
        self.facts = replace(
            self.facts,
            name=f"tvm:{tag}" if tag else "tvm",
            version=tvm.__version__,
            settings=f"llvm, torch {self.torch.__version__}",
            # Of others it says "Binary operators must have the same datatype for both operands".
            dtypes=("float32",) if self.decomposed else ("float64", "float32"),
            layers=EVERYTHING["layers"] if self.decomposed else 1,  # "Multi-layer LSTM is not yet supported"
            lengths=False,
            most_steps=128,  # it unrolls them, and to compile some hundreds takes minutes
            gradients=False,
            compiles=True,
            **ERRORS,
        )
        self.machines = lru_cache(maxsize=128)(self._compile)

    def run(self, case: Case) -> Trace:
        """Run the case in a compiled module; see `Adapter.run`."""
        if reason := refusal(case):
            raise Refused(reason)
        self.facts.need(case)  # a packed sequence would lead past the machine
        if case.batch == 0:
            raise Refused("Reshape expects the new shape to be convertible from the old shape")
        return super().run(case)

    def _compile(self, module: Any, *shapes: Any) -> Any:
        """Export and compile a module for inputs and initial states of these shapes, and name its weights."""
        dtype = next(module.parameters()).dtype
        inputs, *start = (self.torch.zeros(shape, dtype=dtype) for shape in shapes)
        states = [] if not start else [start[0] if len(start) == 1 else tuple(start)]
        program = self.torch.export.export(module, (inputs, *states))
        try:
            imported = self.imported(program, keep_params_as_input=True, run_ep_decomposition=self.decomposed)
        except AssertionError as error:  # of a converter that it lacks
            if "Unsupported function types" not in str(error):
                raise
            raise Refused(str(error)) from None
        detached, _ = self.relax.frontend.detach_params(imported)
        machine = self.relax.VirtualMachine(self.tvm.compile(detached, target="llvm"), self.tvm.cpu())
        return machine["main"], list(program.graph_signature.parameters)

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Run the compiled module."""
        states = states_in(start)
        main, names = self.machines(module, *(tuple(array.shape) for array in (inputs, *states)))
        weights = dict(module.named_parameters())
        given = (inputs, *states, *(weights[name] for name in names))
        answers = main(*(self.tvm.runtime.tensor(array.detach().contiguous().numpy()) for array in given))
        outputs, *final = (self.torch.from_numpy(np.array(answer.numpy())) for answer in answers)
        return outputs, final if len(final) > 1 else final[0]
