"""Keras on TensorFlow: `keras.layers.SimpleRNN`, `GRU` and `LSTM`."""

import os
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, SOFTSIGN, Facts, Refused
from rnn_lockstep.adapters.backends.weight_layouts import pack, unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

LAYERS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}


class KerasAdapter:
    """Drives Keras: runs a layer as a graph, as `fit` and `predict` do, or eagerly with the tag `eager`."""

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
            tanh_ulps={"float32": 7, "float64": 13, "float16": 1, "bfloat16": 1},
            sigmoid_ulps={"float32": 7, "float64": 3, "float16": 3, "bfloat16": 3},
            # TensorFlow's elu is exp(z) - 1, and off by its rounding where little is left.
            functions={
                **SOFTSIGN,
                "elu": {name: FunctionError(1, 2.0 ** (1 - f.bits)) for name, f in FORMATS.items()},
            },
            compiles=True,
            **{**EVERYTHING, "cells": tuple(LAYERS), "projection": False},
        )
        self.cache = lru_cache(maxsize=128)(self._build)

        # Bidirectional makes its layers anew from their configuration, so a name must tell the function.
        def hard_sigmoid_keras2(z: Any) -> Any:
            """The hard sigmoid of Keras 2, which Keras 3 has no more."""
            return keras.ops.clip(0.2 * z + 0.5, 0, 1)

        serializable = keras.saving.register_keras_serializable("lockstep")
        self._hard_sigmoid_keras2 = serializable(hard_sigmoid_keras2)

    def _layer(self, form: "Form", last: bool) -> Any:
        """Make a real layer, not built yet. last: it is the top one of its stack."""
        layers = self.keras.layers
        options: dict[str, Any] = {
            "units": form.hidden_size,
            "use_bias": form.bias,
            "return_sequences": form.return_sequences or not last,
            "return_state": True,
            "go_backwards": form.reverse,
            "dtype": form.dtype,
            "recurrent_initializer": "zeros",  # the default one fails in bfloat16; weights are given
        }
        for name in CELLS[form.cell].options:
            value = getattr(form, name)
            options[name] = self._hard_sigmoid_keras2 if value == "hard_sigmoid_keras2" else value
        layer = getattr(layers, LAYERS[form.cell])(**options)
        if form.merge_mode is None:
            return layer
        return layers.Bidirectional(layer, merge_mode=form.merge_mode, dtype=form.dtype)

    def _build(self, gradients: bool, form: "Form") -> Any:
        """Make a call of real layers that takes their weights: one graph, traced for any batch and time."""
        tf = self.tensorflow
        layers = [self._layer(form, last=k == form.layers - 1) for k in range(form.layers)]
        for k, layer in enumerate(layers):
            layer.build((None, None, form.features if k else form.input_size))
        variables = [variable for layer in layers for variable in layer.trainable_variables]
        seeds = [[v.value for v in layer.non_trainable_variables] for layer in layers]  # dropout's

        def call(inputs: Any, *arrays: Any) -> Any:
            """The outputs of each layer and all final states, from inputs, weights, states and mask."""
            weights, states = iter(arrays[: len(variables)]), iter(arrays[len(variables) :])
            mask = arrays[-1] if form.mask else None
            outputs, finals = [inputs], []
            for layer, seed in zip(layers, seeds, strict=True):
                own = list(islice(weights, len(layer.trainable_variables)))
                state = list(islice(states, form.states))
                (output, *final), _ = layer.stateless_call(
                    own, seed, outputs[-1], initial_state=state or None, mask=mask
                )
                outputs.append(output)
                finals += final
            return outputs[1:], finals

        def backpropagate(*arrays: Any) -> Any:
            """The gradients of inputs, weights and states, from the cotangents of outputs and finals."""
            given, arrays = list(arrays[: form.answers]), arrays[form.answers :]
            differentiable = list(arrays[:-1] if form.mask else arrays)
            with tf.GradientTape() as tape:
                tape.watch(differentiable)
                outputs, finals = call(*arrays)
            answer = [outputs[-1], *finals]
            return tape.gradient(answer, differentiable, given, unconnected_gradients="zero")

        function = backpropagate if gradients else call
        if self.eager:
            return function
        shapes = [(None, None, form.input_size), *(tuple(v.shape) for v in variables)]
        shapes += [(None, form.hidden_size)] * (form.states * form.layers)
        if gradients:
            output = (None, None, form.features) if form.return_sequences else (None, form.features)
            shapes = [output, *[(None, form.hidden_size)] * (form.answers - 1), *shapes]
        signature = [tf.TensorSpec(shape, form.dtype) for shape in shapes]
        if form.mask:
            signature.append(tf.TensorSpec((None, None), "bool"))
        return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()

    def run(self, case: Case) -> Trace:
        """Run the case in Keras's own layers; see `Adapter.run`."""
        outputs, finals = self._call(case, [])
        *hidden, last = (normalised(case, output.numpy()) for output in outputs)
        states = join_states(case, [final.numpy() for final in finals])
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `tensorflow.GradientTape`."""
        outputs, *states = given_or_zeros(case, cotangents)
        if case.return_sequences and case.reverse:
            outputs = outputs[:, ::-1]
        by_cell = zip(*map(case.by_cell, states), strict=True)
        given = [outputs, *(state for cell in by_cell for state in cell)]
        found = (gradient.numpy() for gradient in self._call(case, given))
        inputs = next(found)
        cells = []
        for layer in case.passes:
            for direction in layer:
                count = len(variables_of(case, direction.weights))
                kernel, recurrent_kernel, *bias = islice(found, count)
                biases = [] if not bias else list(bias[0]) if bias[0].ndim == 2 else bias
                packed = Weights(kernel, recurrent_kernel, *biases)
                cells.append(unpack_gradients(packed, direction.weights, case.cell, "keras"))
        return arrays_by_name(inputs, cells, join_states(case, list(found)))

    def _call(self, case: Case, given: list[Array]) -> Any:
        """The layers' answer or, given its cotangents, their gradients."""
        if case.projection is not None:
            raise Refused("keras.layers.LSTM has no projection")
        if case.time == 0:
            raise Refused("slice index 0 of dimension 1 out of bounds")
        if self.eager and case.batch == 0 and case.cell == "lstm":
            # tests/unit/adapters/test_known_failures.py
            raise Refused(f"Biases must be 1D: [0,{len(case.W)}]")
        directions = [direction for layer in case.passes for direction in layer]
        arrays = [*given, case.inputs]
        arrays += [array for direction in directions for array in variables_of(case, direction.weights)]
        if case.initial_state is not None:
            arrays += [state for direction in directions for state in direction.start]
        arrays += [case.valid] if case.padded else []
        function = self.cache(bool(given), form_of(case))
        return function(*(self.tensorflow.constant(array) for array in arrays))


def join_states(case: Case, states: list[Array]) -> list[Array]:
    """The states of all cells, joined to one array each of h and c. states: cell by cell, h before c."""
    count = len(case.start)
    shapes = enumerate(case.state_shapes)
    return [np.array(states[k::count]).reshape(shape) for k, shape in shapes if states]


def variables_of(case: Case, weights: Weights) -> list[Array]:
    """A cell's weights in the order and form of Keras's variables."""
    W, U, b, recurrent_b, _ = pack(weights, case.cell, "keras", reset_after=case.reset_after)
    if b is None:
        return [W, U]
    return [W, U, b if recurrent_b is None else np.stack([b, recurrent_b])]


def normalised(case: Case, outputs: Array) -> Array:
    """Keras's outputs in the reference's meaning: in the order of the inputs, and zero on padding."""
    if outputs.ndim == 3 and case.reverse:  # Keras leaves them in the order of processing
        outputs = outputs[:, ::-1]
    if not case.padded:
        return outputs
    counts = case.valid[..., None] if outputs.ndim == 3 else case.valid.any(axis=1, keepdims=True)
    return np.where(counts, outputs, outputs.dtype.type(0))  # Keras repeats the output before


class Form(NamedTuple):
    """The fields of a case that force a new layer or graph: all but its values, batch and time."""

    cell: str
    activation: str
    recurrent_activation: str
    reset_after: bool
    dtype: str
    input_size: int
    hidden_size: int
    bias: bool
    states: int  # how many initial states of each layer are given
    mask: bool
    reverse: bool
    merge_mode: str | None
    layers: int
    return_sequences: bool

    @property
    def answers(self) -> int:
        """The number of arrays of an answer: the last layer's outputs and all final states."""
        directions = 1 if self.merge_mode is None else 2
        return 1 + self.layers * directions * len(CELLS[self.cell].states)

    @property
    def features(self) -> int:
        """The size of a layer's output."""
        return self.hidden_size * (2 if self.merge_mode == "concat" else 1)


def form_of(case: Case) -> Form:
    """The form of a case's layers."""
    return Form(
        case.cell,
        case.activation,
        case.recurrent_activation,
        case.reset_after,
        case.dtype.name,
        case.input_size,
        case.hidden_size,
        bias=case.b is not None or case.recurrent_b is not None,
        states=0 if case.initial_state is None else len(case.start) * case.directions,
        mask=case.padded,
        reverse=case.reverse,
        merge_mode=case.merge_mode,
        layers=case.layers,
        return_sequences=case.return_sequences,
    )
