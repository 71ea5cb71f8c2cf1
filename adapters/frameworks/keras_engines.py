"""The backends of Keras: what each does in its own way, and the errors of its functions.

Keras has one backend in a process, chosen when it is imported. So an engine imports Keras, on its own.
"""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy as np

from rnn_lockstep.adapters.backends.contract import SOFTSIGN
from rnn_lockstep.adapters.frameworks.jax_adapter import ERRORS as XLA
from rnn_lockstep.adapters.frameworks.jax_adapter import of_jax
from rnn_lockstep.adapters.frameworks.torch_adapter import as_array
from rnn_lockstep.reference import Case, FunctionError
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.oracle.validation import Array

Call = Callable[..., Any]  # of arrays, and answers arrays
Signature = list[tuple[tuple[int | None, ...], str]]  # the shape and dtype of each argument


EIGEN: dict[str, Any] = {  # the errors of its functions, as `Facts` has them
    "tanh_ulps": {"float32": 7, "float64": 13, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float32": 7, "float64": 3, "float16": 3, "bfloat16": 3},
    "tanh_typical": {"float32": 1.6, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float32": 1.25, "float16": 0.55, "bfloat16": 0.55},
}


class Engine(Protocol):
    """One backend of Keras.

    keras: the module.  by_shape: a call is compiled for one batch and time alone.
    """

    keras: Any
    by_shape: bool

    def facts(self) -> dict[str, Any]:
        """The facts that depend on it, by their names in `Facts`; the version is its own alone."""
        ...

    def scope(self, dtype: str) -> AbstractContextManager[Any]:
        """The context in which layers of a dtype are made and called."""
        ...

    def compiled(self, function: Call, signature: Signature) -> Call:
        """The function as it is run in earnest."""
        ...

    def array(self, tensor: Any) -> Array:
        """The tensor as a new array of its own dtype."""
        ...

    def gradients(self, function: Call, arrays: list[Any], cotangents: list[Any]) -> list[Any]:
        """The derivatives of Σ cotangent · answer at the arrays."""
        ...

    def refusal(self, case: Case) -> str:
        """The reason why it cannot run a case, in its own words; empty when it can."""
        ...


class TensorFlow:
    """TensorFlow: one graph for any batch and time, as `fit` and `predict` make it, or op by op.

    jit: compiled by XLA, for each batch and time, as `jit_compile=True` does it.
    """

    def __init__(self, eager: bool = False, jit: bool = False) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self.keras = keras_on("tensorflow")
        import tensorflow

        self.tensorflow, self.eager, self.jit, self.by_shape = tensorflow, eager, jit, jit

    def facts(self) -> dict[str, Any]:
        """See `Engine.facts`."""
        config = self.tensorflow.config
        threads = config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
        tf32 = config.experimental.tensor_float_32_execution_enabled()
        devices = [device.device_type.lower() for device in config.get_visible_devices()]
        return {
            "version": f"tensorflow {self.tensorflow.__version__}",
            "device": ", ".join(devices),
            "settings": f"{threads} threads, tf32 {'on' if tf32 else 'off'}",
            "products": "TF32" if tf32 and "gpu" in devices else "",
            **(XLA if self.jit else EIGEN),
            # TensorFlow's elu is exp(z) - 1, and off by its rounding where little is left.
            "functions": {
                **SOFTSIGN,
                "elu": {name: FunctionError(1, 2.0 ** (1 - f.bits)) for name, f in FORMATS.items()},
            },
            "compiles": True,
            "recomputes": self.jit,
            "last_output": not self.jit,
        }

    def scope(self, dtype: str) -> AbstractContextManager[Any]:
        """Nothing to change."""
        return nullcontext()

    def compiled(self, function: Call, signature: Signature) -> Call:
        """Trace the graph, unless it is eager."""
        if self.eager:
            return function
        tf = self.tensorflow
        specs = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
        made: Call = tf.function(
            function, input_signature=specs, autograph=False, jit_compile=self.jit or None
        ).get_concrete_function()
        return made

    def array(self, tensor: Any) -> Array:
        """See `Engine.array`."""
        array: Array = tensor.numpy()
        return array

    def gradients(self, function: Call, arrays: list[Any], cotangents: list[Any]) -> list[Any]:
        """Differentiate by `tensorflow.GradientTape`."""
        with self.tensorflow.GradientTape() as tape:
            tape.watch(arrays)
            answer = function(*arrays)
        found: list[Any] = tape.gradient(answer, arrays, cotangents, unconnected_gradients="zero")
        return found

    def refusal(self, case: Case) -> str:
        """See `Engine.refusal`; tests/unit/adapters/test_known_failures.py has the second."""
        if case.time == 0:
            return "slice index 0 of dimension 1 out of bounds"
        if self.eager and case.batch == 0 and case.cell == "lstm":
            return f"Biases must be 1D: [0,{len(case.W)}]"
        if self.jit and not case.return_sequences:
            return "XLA may compute a last output a second time, and no bound is derived for that"
        if self.jit and case.batch == 0 and case.cell == "lstm":
            return "Shape must be rank 1 but is rank 2"
        return ""


class Jax:
    """JAX: jitted for each batch and time, but for many unrolled steps: XLA takes minutes to compile them."""

    by_shape = True

    def __init__(self, unroll: bool = False) -> None:
        self.keras = keras_on("jax")
        import jax

        self.jax, self.unroll = jax, unroll

    def facts(self) -> dict[str, Any]:
        """See `Engine.facts`."""
        found = of_jax(self.jax)
        # In float64 Keras's tanh is that of float32: tests/known_failures/keras-jax.toml.
        exact = {name: ulps for name, ulps in found.get("tanh_ulps", {}).items() if name != "float64"}
        return {**found, "version": f"jax {self.jax.__version__}", "tanh_ulps": exact, "compiles": True}

    def scope(self, dtype: str) -> AbstractContextManager[Any]:
        """Let JAX have float64 where it is asked for; elsewhere its setting stays as it is."""
        if dtype != "float64":
            return nullcontext()
        double: AbstractContextManager[Any] = self.jax.enable_x64(True)
        return double

    def compiled(self, function: Call, signature: Signature) -> Call:
        """Jit the function, unless it has more than 64 steps unrolled."""
        steps = max(shape[1] or 0 for shape, _ in signature if len(shape) == 3)
        made: Call = function if self.unroll and steps > 64 else self.jax.jit(function)
        return made

    def array(self, tensor: Any) -> Array:
        """See `Engine.array`."""
        return np.array(tensor)

    def gradients(self, function: Call, arrays: list[Any], cotangents: list[Any]) -> list[Any]:
        """Differentiate by `jax.vjp`."""
        return list(self.jax.vjp(function, *arrays)[1](cotangents))

    def refusal(self, case: Case) -> str:
        """See `Engine.refusal`; tests/unit/adapters/test_known_failures.py has the last."""
        if case.time == 0:
            return "index is out of bounds for axis 1 with size 0"
        own_loop = case.cell == "gru" and case.reset_after and not case.padded and not self.unroll
        if own_loop and case.dtype.itemsize == 2 and case.b is None and case.recurrent_b is None:
            return "scan body function carry input and carry output must have equal types"
        return ""


class Torch:
    """PyTorch: op by op."""

    by_shape = False

    def __init__(self) -> None:
        self.keras = keras_on("torch")
        import torch

        self.torch = torch

    def facts(self) -> dict[str, Any]:
        """See `Engine.facts`."""
        return {
            "version": f"torch {self.torch.__version__}",
            "device": self.keras.ops.zeros(1).device.type,
            "settings": f"{self.torch.get_num_threads()} threads, "
            f"float32 matmul precision {self.torch.get_float32_matmul_precision()}",
            "tanh_ulps": {"float32": 2, "float64": 1, "float16": 1, "bfloat16": 1},
            "sigmoid_ulps": {"float32": 5, "float64": 3, "float16": 1, "bfloat16": 1},
            "tanh_typical": {"float32": 0.45, "float16": 0.35, "bfloat16": 0.35},
            "sigmoid_typical": {"float32": 0.7, "float16": 0.35, "bfloat16": 0.35},
            "functions": {**SOFTSIGN, "elu": {name: FunctionError(2) for name in FORMATS}},
        }

    def scope(self, dtype: str) -> AbstractContextManager[Any]:
        """Record nothing for gradients that nobody asks for."""
        context: AbstractContextManager[Any] = self.torch.no_grad()
        return context

    def compiled(self, function: Call, signature: Signature) -> Call:
        """The function itself."""
        return function

    def array(self, tensor: Any) -> Array:
        """See `Engine.array`."""
        return as_array(tensor.cpu())

    def gradients(self, function: Call, arrays: list[Any], cotangents: list[Any]) -> list[Any]:
        """Differentiate by `torch.autograd`."""
        with self.torch.enable_grad():
            answer = function(*(array.requires_grad_() for array in arrays))
        return list(self.torch.autograd.grad(answer, arrays, cotangents, materialize_grads=True))

    def refusal(self, case: Case) -> str:
        """See `Engine.refusal`."""
        return "index 0 is out of bounds for dimension 1 with size 0" if case.time == 0 else ""


UNROLL, ZEROS = {"unroll": True}, {"zero_output_for_mask": True}
# By tag: the engine, and the options of its layers.
ROUTES: dict[str, tuple[Callable[[], Engine], dict[str, bool]]] = {
    "": (TensorFlow, {}),
    "eager": (partial(TensorFlow, eager=True), {}),
    "jit": (partial(TensorFlow, jit=True), {}),
    "unroll": (partial(TensorFlow, eager=True), UNROLL),
    "zeros": (TensorFlow, ZEROS),
    "jax": (Jax, {}),
    "jax-unroll": (partial(Jax, unroll=True), UNROLL),
    "jax-zeros": (Jax, ZEROS),
    "torch": (Torch, {}),
    "torch-unroll": (Torch, UNROLL),
    "torch-zeros": (Torch, ZEROS),
}


def keras_on(backend: str) -> Any:
    """Import Keras on one of its backends, whatever the environment says: our backend's name decides.

    Raises RuntimeError where it has been imported on another.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    import keras

    if (other := keras.backend.backend()) != backend:
        raise RuntimeError(
            f"Keras is on {other} in this process, and is needed on {backend}: "
            "two configurations of Keras on different backends need a process each"
        )
    return keras
