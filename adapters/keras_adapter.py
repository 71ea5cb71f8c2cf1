"""Keras on TensorFlow: `keras.layers.SimpleRNN`, `GRU` and `LSTM`."""

import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from adapters.contract import EVERYTHING, Facts, Refused
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
            tanh_ulps={"float32": 7, "float64": 9},
            sigmoid_ulps={"float32": 7, "float64": 3},
            **EVERYTHING,
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _layer(self, form: "Form") -> Any:
        """The real layer, not built."""
        layers, ops = self.keras.layers, self.keras.ops
        options: dict[str, Any] = {
            "units": form.hidden_size,
            "use_bias": form.bias,
            "return_sequences": True,
            "return_state": True,
            "go_backwards": form.reverse,
            "dtype": form.dtype,
        }
        if form.cell == "simple_rnn":
            return layers.SimpleRNN(activation=form.activation, **options)
        options["recurrent_activation"] = {
            "sigmoid": "sigmoid",
            "hard_sigmoid": "hard_sigmoid",
            "hard_sigmoid_keras2": lambda z: ops.clip(0.2 * z + 0.5, 0, 1),
        }[form.recurrent_activation]
        if form.cell == "gru":
            return layers.GRU(reset_after=form.reset_after, **options)
        return layers.LSTM(**options)

    def _build(self, form: "Form") -> Any:
        """A call of a real layer with its weights given: the graph is traced once for any batch and time."""
        tf = self.tensorflow
        layer = self._layer(form)
        layer.build((None, None, form.input_size))
        other = [variable.value for variable in layer.non_trainable_variables]  # dropout's seed
        count = len(layer.trainable_variables)

        def call(inputs: Any, *arrays: Any) -> Any:
            weights, state = list(arrays[:count]), list(arrays[count:])
            mask = state.pop() if form.mask else None
            results, _ = layer.stateless_call(weights, other, inputs, initial_state=state or None, mask=mask)
            return results

        if self.eager:
            return call
        shapes = [(None, None, form.input_size), *(tuple(v.shape) for v in layer.trainable_variables)]
        shapes += [(None, form.hidden_size)] * form.states
        signature = [tf.TensorSpec(shape, form.dtype) for shape in shapes]
        if form.mask:
            signature.append(tf.TensorSpec((None, None), "bool"))
        return tf.function(call, input_signature=signature, autograph=False).get_concrete_function()

    def run(self, case: Case) -> Trace:
        if case.time == 0:
            raise Refused("slice index 0 of dimension 1 out of bounds")
        if self.eager and case.batch == 0 and case.cell == "lstm":
            raise Refused(f"Biases must be 1D: [0,{len(case.W)}]")  # tests/adapters/test_known_failures.py
        kernel, recurrent_kernel, b, recurrent_b = pack(
            case.weights, case.cell, "keras", reset_after=case.reset_after
        )
        biases = [] if b is None else [b] if recurrent_b is None else [np.stack([b, recurrent_b])]
        state = [] if case.initial_state is None else case.start
        mask = [] if case.lengths is None else [case.valid]
        arrays = (case.inputs, kernel, recurrent_kernel, *biases, *state, *mask)
        results = self.cache(form_of(case))(*(self.tensorflow.constant(array) for array in arrays))
        outputs, *final = (result.numpy() for result in results)
        if case.reverse:  # Keras leaves them in the order of processing
            outputs = outputs[:, ::-1]
        if case.lengths is not None:  # where Keras repeats the output before
            outputs = np.where(case.valid[..., None], outputs, outputs.dtype.type(0))
        return Trace(outputs, *final)


class Form(NamedTuple):
    """What forces a new layer or graph: all of a case but its values, batch and time."""

    cell: str
    activation: str
    recurrent_activation: str
    reset_after: bool
    dtype: str
    input_size: int
    hidden_size: int
    bias: bool
    states: int  # how many initial states are given
    mask: bool
    reverse: bool


def form_of(case: Case) -> Form:
    return Form(
        case.cell,
        case.activation,
        case.recurrent_activation,
        case.reset_after,
        case.dtype.name,
        case.input_size,
        case.hidden_size,
        bias=case.b is not None or case.recurrent_b is not None,
        states=0 if case.initial_state is None else len(case.start),
        mask=case.lengths is not None,
        reverse=case.reverse,
    )
