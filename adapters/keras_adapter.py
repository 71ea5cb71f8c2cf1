"""Keras on TensorFlow: `keras.layers.SimpleRNN`."""

import os
from functools import lru_cache
from typing import Any

from adapters.contract import Facts, Refused
from reference import Case, Trace


class KerasAdapter:
    """Runs the layer as a graph, as `fit` and `predict` do, or eagerly with the tag `eager`."""

    def __init__(self, tag: str = "") -> None:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow

        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow before it is imported"
            )
        self.keras, self.tensorflow, self.eager = keras, tensorflow, tag == "eager"
        threads = tensorflow.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
        self.facts = Facts(
            f"keras:{tag}" if tag else "keras",
            version=f"{keras.__version__} (tensorflow {tensorflow.__version__})",
            device=", ".join(d.device_type.lower() for d in tensorflow.config.get_visible_devices()),
            settings=f"{threads} threads, floatx {keras.config.floatx()}, "
            f"tf32 {'on' if tensorflow.config.experimental.tensor_float_32_execution_enabled() else 'off'}",
            tanh_ulps={"float32": 7, "float64": 9},
        )
        self.cache = lru_cache(maxsize=64)(self._build)

    def _build(self, input_size: int, hidden_size: int, activation: str, dtype: str, with_state: bool) -> Any:
        """A call of a real layer with its weights given: the graph is traced once for any batch and time."""
        tf = self.tensorflow
        layer = self.keras.layers.SimpleRNN(
            hidden_size, activation=activation, return_sequences=True, return_state=True, dtype=dtype
        )
        layer.build((None, None, input_size))
        other = [variable.value for variable in layer.non_trainable_variables]  # dropout's seed

        def call(inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, *initial_state: Any) -> Any:
            weights = [kernel, recurrent_kernel, bias]
            state = initial_state[0] if initial_state else None
            results, _ = layer.stateless_call(weights, other, inputs, initial_state=state)
            return results

        if self.eager:
            return call
        shapes: list[tuple[int | None, ...]] = [
            (None, None, input_size),
            (input_size, hidden_size),
            (hidden_size, hidden_size),
            (hidden_size,),
            *([(None, hidden_size)] if with_state else []),
        ]
        signature = [tf.TensorSpec(shape, dtype) for shape in shapes]
        return tf.function(call, input_signature=signature, autograph=False).get_concrete_function()

    def run(self, case: Case) -> Trace:
        if case.time == 0:
            raise Refused("slice index 0 of dimension 1 out of bounds")
        state = () if case.initial_state is None else (case.initial_state,)
        call = self.cache(case.input_size, case.hidden_size, case.activation, case.dtype.name, bool(state))
        outputs, final_state = call(
            *(self.tensorflow.constant(array) for array in (case.inputs, case.W.T, case.U.T, case.b, *state))
        )
        return Trace(outputs.numpy(), final_state.numpy())
