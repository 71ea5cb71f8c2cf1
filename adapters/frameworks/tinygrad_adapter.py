"""tinygrad: `tinygrad.nn.LSTMCell`, in a loop over time."""

from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, FunctionError, Trace
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.oracle.validation import Array

# Its tanh is 2·sigmoid(2x) - 1, and its sigmoid has exp2: their errors are absolute. On its emulator they
# were up to 2.9 and 1.5 roundoffs of 10,000 numbers, in float16 up to 0.7 and 0.6, and by clang no larger.
ROUNDOFFS = {
    "tanh": {"float64": 3, "float32": 3, "float16": 1},
    "sigmoid": {"float64": 2, "float32": 2, "float16": 1},
}
FUNCTIONS = {
    function: {
        dtype: FunctionError(1, count * 2.0 ** -FORMATS[dtype].bits) for dtype, count in counts.items()
    }
    for function, counts in ROUNDOFFS.items()
}
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # in the order of `Weights`


class TinygradAdapter:
    """Drives a cell on tinygrad's default device."""

    def __init__(self) -> None:
        from importlib.metadata import version

        import tinygrad
        import tinygrad.nn

        try:
            device = tinygrad.Device.DEFAULT
        except RuntimeError as error:
            raise RuntimeError(f"{error}; on the CPU it needs clang") from error
        self.tinygrad = tinygrad
        self.facts = Facts(
            "tinygrad",
            version=version("tinygrad"),
            device=device.lower(),
            dtypes=("float64", "float32", "float16"),
            cells=("lstm",),
            biases=(0, 1, 2),
            compiles=True,
            functions=FUNCTIONS,
        )
        self.cache = lru_cache(maxsize=64)(tinygrad.nn.LSTMCell)

    def run(self, case: Case) -> Trace:
        """Run the case step by step; see `Adapter.run`."""
        self.facts.need(case)
        if (case.activation, case.recurrent_activation) != ("tanh", "sigmoid"):
            raise Refused(f"tinygrad.nn.LSTMCell has no {case.kind}")
        tensor, cell = self.tinygrad.Tensor, self._loaded(case)
        state: Any = None if case.initial_state is None else tuple(map(self._tensor, case.start))
        outputs = [np.zeros((case.batch, 0, case.hidden_size), case.dtype)]
        for t in range(case.time):
            state = cell(self._tensor(case.inputs[:, t]), state)
            tensor.realize(*state)
            outputs.append(state[0].numpy()[:, None])
        final = case.start if case.time == 0 else tuple(part.numpy() for part in state)
        return Trace(np.concatenate(outputs, axis=1), *final)

    def _loaded(self, case: Case) -> Any:
        """A cell with the weights of the case."""
        bias = case.b is not None or case.recurrent_b is not None
        cell = self.cache(case.input_size, case.hidden_size, bias)
        for name, array in zip(PARAMETERS, pack(case.weights, case.cell, "torch"), strict=False):
            setattr(cell, name, None if array is None else self._tensor(array))
        return cell

    def _tensor(self, array: Array) -> Any:
        """The array as a tensor of its dtype."""
        return self.tinygrad.Tensor(np.ascontiguousarray(array)).realize()
