"""Keras as its users call it: a Model of Input, Masking and recurrent layers, asked by `model.predict`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Refused
from rnn_lockstep.adapters.frameworks.keras_adapter import (
    Form,
    KerasAdapter,
    form_of,
    join_states,
    normalised,
    variables_of,
)
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.oracle.validation import Array

PADDING = 1536.0  # what Masking takes for padding; exact in every dtype


class KerasPredict:
    """Drives `model.predict`, with the tag `predict` on TensorFlow and with `jax-predict` on JAX.

    With `stateful` the layers keep their states: a sequence is fed in two calls, after a reset.
    """

    def __init__(self, tag: str) -> None:
        engine, _, route = tag.rpartition("-")
        self.stateful = route == "stateful"
        self.layers = KerasAdapter(engine)
        self.keras = self.layers.keras
        settings = self.layers.facts.settings.replace("floatx float32", "floatx that of a case")
        self.facts = replace(
            self.layers.facts, name=f"keras:{tag}", settings=settings, gradients=False, compiles=True
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: Form, batch: int | None) -> Any:
        """Make a model and its recurrent layers. batch: the only one, of layers that keep their states."""
        inputs = self.keras.Input((None, form.input_size), batch_size=batch, dtype=form.dtype)
        hidden = self.keras.layers.Masking(PADDING, dtype=form.dtype)(inputs) if form.mask else inputs
        layers, starts, finals = [], list[Any](), list[Any]()
        for k in range(form.layers):
            given = () if self.stateful else range(form.states)
            start = [self.keras.Input((form.hidden_size,), dtype=form.dtype) for _ in given]
            layer = self.layers.layer(form, k == form.layers - 1, stateful=self.stateful)
            hidden, *final = layer(hidden, initial_state=start or None)
            layers.append(layer)
            starts += start
            finals += final
        return self.keras.Model([inputs, *starts], [hidden, *finals]), layers

    def run(self, case: Case) -> Trace:
        """Run the case as a model; see `Adapter.run`."""
        self.layers.need(case)
        if case.batch == 0:
            raise Refused("predict takes no data without rows")
        inputs = with_padding(case)
        with self.layers.engine.scope(case.dtype.name), floatx(self.keras, case.dtype.name):
            model, layers = self.cache(form_of(case), case.batch if self.stateful else None)
            cells = [direction for layer in case.passes for direction in layer]
            weights = iter(array for cell in cells for array in variables_of(case, cell.weights))
            for layer in layers:
                assign(layer.trainable_variables, weights)
            states = [] if case.initial_state is None else [state for cell in cells for state in cell.start]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy's, on torch
                try:
                    if self.stateful:
                        outputs, *finals = self._in_parts(case, model, layers, inputs, iter(states))
                    else:
                        outputs, *finals = model.predict([inputs, *states], verbose=0)
                except Exception:
                    self.cache.cache_clear()  # on JAX a model has no weights after a predict that raised
                    raise
        return Trace(normalised(case, outputs), *join_states(case, finals))

    def _in_parts(
        self, case: Case, model: Any, layers: list[Any], inputs: Array, states: Iterator[Array]
    ) -> list[Array]:
        """The answer to a sequence in two calls, after the layers are reset and have the initial states."""
        for layer in layers:
            layer.reset_state()
            assign(layer.states, states)
        parts = halves(case, inputs)
        answers = [model.predict(part, batch_size=case.batch, verbose=0) for part in parts]
        outputs, *finals = answers[-1]
        if case.return_sequences:
            outputs = np.concatenate([answer[0] for answer in answers], axis=1)
        return [outputs, *finals]


def assign(variables: list[Any], arrays: Iterator[Array]) -> None:
    """Give Keras's variables the next arrays, if there are any."""
    for variable, array in zip(variables, islice(arrays, len(variables)), strict=False):
        variable.assign(array)


def with_padding(case: Case) -> Array:
    """The inputs with the value that Masking knows in every feature of the padding. Raises Refused."""
    if not case.padded:
        return case.inputs
    inputs = np.where(case.valid[..., None], case.inputs, np.array(PADDING, case.dtype))
    if not np.array_equal((inputs != PADDING).any(axis=2), case.valid):
        raise Refused(f"Masking({PADDING:g}) takes a step that has this value for padding")
    return inputs


def halves(case: Case, inputs: Array) -> list[Array]:
    """The two parts of a sequence in the order of processing.

    It stays whole for two directions, of which each would need the other half first. So it does for the last
    output of rows with padding: of a row that is all padding in the second call, Keras has no output before.
    """
    whole = case.time < 2 or case.directions == 2 or (case.padded and not case.return_sequences)
    if whole:
        return [inputs]
    parts = [inputs[:, : case.time // 2], inputs[:, case.time // 2 :]]
    return parts[::-1] if case.reverse else parts


@contextmanager
def floatx(keras: Any, dtype: str) -> Iterator[None]:
    """Have `predict` leave arrays of this dtype as they are: it casts them to floatx."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
