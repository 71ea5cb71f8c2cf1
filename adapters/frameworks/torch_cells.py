"""PyTorch's cells, `torch.nn.RNNCell`, `GRUCell` and `LSTMCell`, in a loop over time."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.torch_adapter import (
    ERRORS,
    MODULES,
    PARAMETERS,
    as_array,
    as_tensor,
    unsupported,
)
from rnn_lockstep.adapters.frameworks.weight_layouts import pack, unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

# Each cell with compilations of its own: past a limit that all share, torch would run them op by op and
# only warn of it. It raises an error with fullgraph.
COMPILE: dict[str, Any] = {
    "dynamic": True,
    "fullgraph": True,
    "isolate_recompiles": True,
    "recompile_limit": 64,
}
COMPILATIONS = 100_000
COMPILED_ERRORS: dict[str, Any] = {  # tanh is another one there
    **ERRORS,
    "tanh_ulps": {"float32": 3, "float64": 3, "float16": 1, "bfloat16": 1},
    "tanh_typical": {"float32": 0.8, "float16": 0.35, "bfloat16": 0.35},
}


class TorchCells:
    """Drives a cell step by step, with the tag `cells`; with `compile`, one that `torch.compile` compiled."""

    def __init__(self, tag: str) -> None:
        import torch

        self.torch, self.compiles = torch, tag == "compile"
        if self.compiles:  # the compilations of all cells of a kind together, 256 where nobody asks for more
            torch._dynamo.config.accumulated_recompile_limit = COMPILATIONS
        self.facts = Facts(
            f"torch:{tag}",
            version=str(torch.__version__),
            settings=f"{torch.get_num_threads()} threads",
            dtypes=DTYPES,
            cells=tuple(MODULES),
            biases=(0, 1, 2),
            gradients=True,
            compiles=self.compiles,
            **(COMPILED_ERRORS if self.compiles else ERRORS),
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: "Form") -> tuple[Any, Any]:
        """Make a real cell, and what calls it."""
        options: dict[str, Any] = {"bias": form.bias, "dtype": getattr(self.torch, form.dtype)}
        if form.cell == "simple_rnn":
            options["nonlinearity"] = form.activation
        kind = getattr(self.torch.nn, MODULES[form.cell] + "Cell")
        cell = kind(form.input_size, form.hidden_size, **options)
        return cell, self.torch.compile(cell, **COMPILE) if self.compiles else cell

    def run(self, case: Case) -> Trace:
        """Run the case step by step; see `Adapter.run`."""
        with self.torch.no_grad():
            _, outputs, states = self._forward(case, as_tensor(case.inputs), self._start(case))
        return Trace(as_array(outputs), *map(as_array, states))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `torch.autograd`."""
        inputs, start = as_tensor(case.inputs).requires_grad_(), self._start(case)
        for state in start:
            state.requires_grad_()
        cell, outputs, states = self._forward(case, inputs, start)
        weights = [w for name in PARAMETERS if (w := getattr(cell, name, None)) is not None]
        of = [inputs, *start, *weights]
        given = [as_tensor(np.ascontiguousarray(array)) for array in given_or_zeros(case, cotangents)]
        grad = self.torch.autograd.grad
        found = map(as_array, grad([outputs, *states], of, given, materialize_grads=True))
        of_inputs, *rest = found
        of_start, of_weights = rest[: len(start)], rest[len(start) :]
        cells = [unpack_gradients(Weights(*of_weights), case.weights, case.cell, "torch")]
        return arrays_by_name(of_inputs, cells, of_start)

    def _start(self, case: Case) -> list[Any]:
        """The initial states; none where they are omitted."""
        return [] if case.initial_state is None else [as_tensor(state) for state in case.start]

    def _forward(self, case: Case, inputs: Any, start: list[Any]) -> tuple[Any, Any, Any]:
        """The cell, the outputs, and the final states."""
        if reason := unsupported(case):
            raise Refused(reason)
        self.facts.need(case)
        bias = case.b is not None or case.recurrent_b is not None
        sizes = (case.input_size, case.hidden_size)
        cell, call = self.cache(Form(case.cell, case.activation, case.dtype.name, *sizes, bias))
        with self.torch.no_grad():
            for name, array in zip(PARAMETERS, pack(case.weights, case.cell, "torch"), strict=False):
                if array is not None:
                    getattr(cell, name).copy_(as_tensor(array))
        single = case.cell != "lstm"  # an LSTM takes and gives (h, c), the others h alone
        state: Any = tuple(start) if start else None
        outputs = [inputs.new_zeros(case.batch, 0, case.hidden_size)]
        for x_t in inputs.unbind(1):
            new = call(x_t, state[0] if single and state else state)
            state = (new,) if single else new
            outputs.append(state[0][:, None])
        state = state or [inputs.new_zeros(case.batch, case.hidden_size) for _ in case.start]
        return cell, self.torch.cat(outputs, dim=1), state


class Form(NamedTuple):
    """The fields of a case that force a new cell."""

    cell: str
    activation: str
    dtype: str
    input_size: int
    hidden_size: int
    bias: bool
