"""MLX: `mlx.nn.RNN`, `GRU` and `LSTM`, on its default device."""

from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

LAYERS = {"simple_rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
# By cell, the names of W, U and the bias; a GRU has a second one of its candidate, inside the reset product.
NAMES = {
    "simple_rnn": ("Wxh", "Whh", "bias"),
    "gru": ("Wx", "Wh", "b", "bhn"),
    "lstm": ("Wx", "Wh", "bias"),
}

# Its exp of far negative numbers is off by up to 4e-6 in float32, so sigmoid's error is absolute in part.
# In float64 exp is that of float32: tests/known_failures/mlx.toml.
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float32": 3, "float64": 3, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float16": 2, "bfloat16": 2},
    "tanh_typical": {"float32": 0.7, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float16": 0.4, "bfloat16": 0.4},
    "functions": {"sigmoid": {"float32": FunctionError(6, 2.0**-28, 1.9)}},
}


class MlxAdapter:
    """Drives a layer, made once for each form of it."""

    def __init__(self) -> None:
        import mlx.core
        import mlx.nn

        self.core, self.nn = mlx.core, mlx.nn
        self.facts = Facts(
            "mlx",
            version=mlx.core.__version__,
            device=str(mlx.core.default_device().type).rpartition(".")[2],
            dtypes=DTYPES if mlx.core.default_device() == mlx.core.cpu else DTYPES[1:],
            cells=tuple(LAYERS),
            biases=(0, 1, 2),
            gradients=True,
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, cell: str, activation: str, bias: bool, *sizes: int) -> Any:
        """Make a layer. sizes: of its inputs and of its state."""
        options = {"nonlinearity": getattr(self.nn, activation)} if cell == "simple_rnn" else {}
        return getattr(self.nn, LAYERS[cell])(*sizes, bias=bias, **options)

    def run(self, case: Case) -> Trace:
        """Run the case in MLX's own layer; see `Adapter.run`."""
        self._check(case)
        given = [self._tensor(array) for array in inputs_of(case)]
        outputs, *states = self._call(case, given)
        return Trace(*(self._array(x, case) for x in (outputs, *states)))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `mlx.core.vjp`."""
        self._check(case)
        given = [self._tensor(array) for array in inputs_of(case)]
        wanted = [self._tensor(np.ascontiguousarray(array)) for array in given_or_zeros(case, cotangents)]
        _, found = self.core.vjp(lambda *arrays: self._call(case, arrays), given, wanted)
        arrays = [self._array(x, case) for x in found]
        count = len(weights_of(case))
        packed, inputs, states = arrays[:count], arrays[count], arrays[count + 1 :]
        return arrays_by_name(inputs, [unpacked(case, packed)], states)

    def _call(self, case: Case, arrays: Any) -> list[Any]:
        """The outputs and final states of a layer with these weights, inputs and initial states."""
        names = NAMES[case.cell][: len(weights_of(case))]
        bias = len(names) > 2
        layer = self.cache(case.cell, case.activation, bias, case.input_size, case.hidden_size)
        layer.update(dict(zip(names, arrays, strict=False)))
        answers = layer(*arrays[len(names) :])
        answers = answers if case.cell == "lstm" else (answers,)
        return [answers[0], *(answer[:, -1] for answer in answers)]

    def _check(self, case: Case) -> None:
        """Raise Refused where MLX cannot express the case."""
        self.facts.need(case)
        if case.time == 0:
            raise Refused("[stack] No arrays provided for stacking")
        if case.cell != "simple_rnn" and (case.recurrent_activation, case.reset_after) != ("sigmoid", True):
            raise Refused(f"mlx.nn.{LAYERS[case.cell]} has no {case.kind}")

    def _tensor(self, array: Array) -> Any:
        """The array as one of MLX, which reads no bfloat16 of NumPy, but float32."""
        dtype = getattr(self.core, array.dtype.name)
        readable = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        return self.core.array(readable, dtype=dtype)

    def _array(self, tensor: Any, case: Case) -> Array:
        """The array of NumPy, in the dtype of the case if it is that of MLX's."""
        name = str(tensor.dtype).rpartition(".")[2]
        if name == "bfloat16":
            return np.array(tensor.astype(self.core.float32)).astype(case.dtype)
        return np.array(tensor)


def inputs_of(case: Case) -> list[Array]:
    """What a call is given: weights, inputs and, unless they are omitted, initial states."""
    return [*weights_of(case), case.inputs, *([] if case.initial_state is None else case.start)]


def weights_of(case: Case) -> list[Array]:
    """The case's weights in the order of `NAMES`; gates are in the reference's order."""
    W, U, b, recurrent_b, *_ = case.weights
    if b is None and recurrent_b is None:
        return [W, U]
    b, recurrent_b = (np.zeros_like(W[:, 0]) if x is None else x for x in (b, recurrent_b))
    if case.cell != "gru":
        return [W, U, b + recurrent_b]
    gates = 2 * case.hidden_size
    return [W, U, np.concatenate([b[:gates] + recurrent_b[:gates], b[gates:]]), recurrent_b[gates:]]


def unpacked(case: Case, gradients: list[Array]) -> Weights:
    """The gradients of the case's weights, from those of `weights_of`."""
    W, U, *biases = gradients
    if not biases:
        return Weights(W, U)
    b = recurrent_b = biases[0]
    if case.cell == "gru":
        recurrent_b = np.concatenate([b[: 2 * case.hidden_size], biases[1]])
    return Weights(
        W, U, *(None if x is None else g for x, g in zip(case.weights.biases, (b, recurrent_b), strict=True))
    )
