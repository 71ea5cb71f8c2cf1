"""Keras: `keras.layers.SimpleRNN`, `GRU` and `LSTM`, on any of its backends."""

from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Facts, Refused
from rnn_lockstep.adapters.frameworks.keras_engines import ROUTES
from rnn_lockstep.adapters.frameworks.keras_numpy import Numpy
from rnn_lockstep.adapters.frameworks.weight_layouts import pack, unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

LAYERS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
NOT_IN_KERAS = ("projection", "clip", "input_forget")


class KerasAdapter:
    """Drives Keras on TensorFlow or, with the tag `jax`, `torch` or `numpy`, on that backend of Keras.

    On TensorFlow it runs a layer as a graph, as `fit` and `predict` do, or with the tag `eager` eagerly and
    with `jit` under XLA. With `unroll`, `jax-unroll` and so on its layers have an option, see `ROUTES`.
    """

    def __init__(self, tag: str = "") -> None:
        engine, self.options = (Numpy, {}) if tag == "numpy" else ROUTES[tag]
        self.engine = engine()
        self.keras = keras = self.engine.keras
        facts = self.engine.facts()
        facts["version"] = f"{keras.__version__} ({facts['version']})"
        facts["settings"] += f", floatx {keras.config.floatx()}"
        own = {**EVERYTHING, "cells": tuple(LAYERS), **dict.fromkeys(NOT_IN_KERAS, False)}
        self.facts = Facts(f"keras:{tag}" if tag else "keras", **(own | facts))
        self.cache = lru_cache(maxsize=128)(self._build)

        # Bidirectional makes its layers anew from their configuration, so a name must tell the function.
        def hard_sigmoid_keras2(z: Any) -> Any:
            """The hard sigmoid of Keras 2, which Keras 3 has no more."""
            return keras.ops.clip(0.2 * z + 0.5, 0, 1)

        serializable = keras.saving.register_keras_serializable("lockstep")
        self._hard_sigmoid_keras2 = serializable(hard_sigmoid_keras2)

    def layer(self, form: "Form", last: bool, **more: Any) -> Any:
        """Make a real layer, not built yet. last: it is the top one of its stack.  more: options of it."""
        layers = self.keras.layers
        options: dict[str, Any] = {
            "units": form.hidden_size,
            "use_bias": form.bias,
            "return_sequences": form.return_sequences or not last,
            "return_state": True,
            "go_backwards": form.reverse,
            "dtype": form.dtype,
            "recurrent_initializer": "zeros",  # the default one fails in bfloat16; weights are given
            **self.options,
            **more,
        }
        for name in CELLS[form.cell].options:
            value = getattr(form, name)
            options[name] = self._hard_sigmoid_keras2 if value == "hard_sigmoid_keras2" else value
        layer = getattr(layers, LAYERS[form.cell])(**options)
        if form.merge_mode is None:
            return layer
        return layers.Bidirectional(layer, merge_mode=form.merge_mode, dtype=form.dtype)

    def _build(self, gradients: bool, form: "Form", batch: int | None = None, time: int | None = None) -> Any:
        """Make a call of real layers that takes their weights. batch, time: the only ones, if given."""
        layers = [self.layer(form, last=k == form.layers - 1) for k in range(form.layers)]
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
            count = len(arrays) - form.mask

            def answer(*differentiable: Any) -> Any:
                outputs, finals = call(*differentiable, *arrays[count:])
                return [outputs[-1], *finals]

            return self.engine.gradients(answer, list(arrays[:count]), given)

        state = (batch, form.hidden_size)
        shapes = [(batch, time, form.input_size), *(tuple(v.shape) for v in variables)]
        shapes += [state] * (form.states * form.layers)
        if gradients:
            output = (batch, time, form.features) if form.return_sequences else (batch, form.features)
            shapes = [output, *[state] * (form.answers - 1), *shapes]
        signature = [(shape, form.dtype) for shape in shapes] + [((batch, time), "bool")] * form.mask
        return self.engine.compiled(backpropagate if gradients else call, signature)

    def run(self, case: Case) -> Trace:
        """Run the case in Keras's own layers; see `Adapter.run`."""
        outputs, finals = self._call(case, [])
        zeros = "zero_output_for_mask" in self.options
        *hidden, last = (normalised(case, output, zeros) for output in outputs)
        states = join_states(case, finals)
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by those of Keras's backend."""
        outputs, *states = given_or_zeros(case, cotangents)
        if case.return_sequences and case.reverse:
            outputs = outputs[:, ::-1]
        by_cell = zip(*map(case.by_cell, states), strict=True)
        given = [outputs, *(state for cell in by_cell for state in cell)]
        found = iter(self._call(case, given))
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

    def need(self, case: Case) -> None:
        """Raise Refused where Keras cannot run a case."""
        if case.cell not in LAYERS:
            raise Refused(f"keras.layers has no {case.cell}")
        if case.projection is not None:
            raise Refused("keras.layers.LSTM has no projection")
        if case.clip is not None or case.input_forget:
            raise Refused("keras.layers have no clip and no input_forget")
        if reason := self.engine.refusal(case):
            raise Refused(reason)

    def _call(self, case: Case, given: list[Array]) -> Any:
        """The layers' answer or, given its cotangents, their gradients."""
        self.need(case)
        directions = [direction for layer in case.passes for direction in layer]
        arrays = [*given, case.inputs]
        arrays += [array for direction in directions for array in variables_of(case, direction.weights)]
        if case.initial_state is not None:
            arrays += [state for direction in directions for state in direction.start]
        arrays += [case.valid] if case.padded else []
        shape = case.inputs.shape[:2] if self.engine.by_shape else ()
        with self.engine.scope(case.dtype.name):
            function = self.cache(bool(given), form_of(case), *shape)
            answer = function(*map(self.keras.ops.convert_to_tensor, arrays))
            return self.keras.tree.map_structure(self.engine.array, answer)


def join_states(case: Case, states: list[Array]) -> list[Array]:
    """The states of all cells, joined to one array each of h and c. states: cell by cell, h before c."""
    count = len(case.start)
    shapes = enumerate(case.state_shapes)
    return [np.array(states[k::count]).reshape(shape) for k, shape in shapes if states]


def variables_of(case: Case, weights: Weights) -> list[Array]:
    """A cell's weights in the order and form of Keras's variables."""
    W, U, b, recurrent_b, *_ = pack(weights, case.cell, "keras", reset_after=case.reset_after)
    if b is None:
        return [W, U]
    return [W, U, b if recurrent_b is None else np.stack([b, recurrent_b])]


def normalised(case: Case, outputs: Array, zeros: bool = False) -> Array:
    """Keras's outputs in the reference's meaning: in the order of the inputs, and zero on padding.

    zeros: Keras itself has to make them zero there, as both directions of a Bidirectional do.
    """
    in_time = outputs.ndim == 3
    if in_time and case.reverse:  # Keras leaves them in the order of processing
        outputs = outputs[:, ::-1]
    if not case.padded or (in_time and (zeros or case.merge_mode)):
        return outputs
    counts = case.valid[..., None] if in_time else case.valid.any(axis=1, keepdims=True)
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
