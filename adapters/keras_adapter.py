"""Keras on TensorFlow: `keras.layers.SimpleRNN`, `GRU` and `LSTM`."""

import os
from functools import lru_cache
from typing import Any

import numpy as np

from adapters.contract import CELLS, Facts, Refused
from adapters.layouts import pack
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
            cells=CELLS,
            tanh_ulps={"float32": 7, "float64": 9},
            sigmoid_ulps={"float32": 7, "float64": 3},
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _layer(self, case: Case) -> Any:
        """The real layer of a case, not built."""
        layers, ops = self.keras.layers, self.keras.ops
        options: dict[str, Any] = {
            "units": case.hidden_size,
            "use_bias": not (case.b is None and case.recurrent_b is None),
            "return_sequences": True,
            "return_state": True,
            "dtype": case.dtype.name,
        }
        if case.cell == "simple_rnn":
            return layers.SimpleRNN(activation=case.activation, **options)
        options["recurrent_activation"] = {
            "sigmoid": "sigmoid",
            "hard_sigmoid": "hard_sigmoid",
            "hard_sigmoid_keras2": lambda z: ops.clip(0.2 * z + 0.5, 0, 1),
        }[case.recurrent_activation]
        if case.cell == "gru":
            return layers.GRU(reset_after=case.reset_after, **options)
        return layers.LSTM(**options)

    def _build(self, key: "Shapes") -> Any:
        """A call of a real layer with its weights given: the graph is traced once for any batch and time."""
        tf, case = self.tensorflow, key.case
        layer = self._layer(case)
        layer.build((None, None, case.input_size))
        other = [variable.value for variable in layer.non_trainable_variables]  # dropout's seed
        count = len(layer.trainable_variables)

        def call(inputs: Any, *arrays: Any) -> Any:
            weights, state = list(arrays[:count]), list(arrays[count:])
            results, _ = layer.stateless_call(weights, other, inputs, initial_state=state or None)
            return results

        if self.eager:
            return call
        any_batch = [(None, None, case.input_size), *(tuple(v.shape) for v in layer.trainable_variables)]
        any_batch += [(None, case.hidden_size)] * (len(case.start) if case.initial_state is not None else 0)
        signature = [tf.TensorSpec(shape, case.dtype.name) for shape in any_batch]
        return tf.function(call, input_signature=signature, autograph=False).get_concrete_function()

    def run(self, case: Case) -> Trace:
        if case.time == 0:
            raise Refused("slice index 0 of dimension 1 out of bounds")
        kernel, recurrent_kernel, b, recurrent_b = pack(
            case.weights, case.cell, "keras", reset_after=case.reset_after
        )
        biases = [] if b is None else [b] if recurrent_b is None else [np.stack([b, recurrent_b])]
        state = [] if case.initial_state is None else case.start
        call = self.cache(Shapes(case))
        arrays = (case.inputs, kernel, recurrent_kernel, *biases, *state)
        results = call(*(self.tensorflow.constant(array) for array in arrays))
        return Trace(*(result.numpy() for result in results))


class Shapes:
    """What forces a new layer or graph, as a key: all of a case but its values, batch and time."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.key = (
            *(case.kind, case.reset_after, case.dtype.name, case.input_size, case.hidden_size),
            *(case.b is None and case.recurrent_b is None, case.initial_state is None),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shapes) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)
