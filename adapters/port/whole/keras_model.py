"""Whole Keras models: asked by calling them, their recurrent layers watched by a wrapper of their calls."""

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.live import keras_model
from rnn_lockstep.adapters.models.live.calling import as_numpy
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.port.whole.behind import behind
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import (
    Call,
    Emitted,
    Inner,
    Recorder,
    Run,
    arrays_in,
    by_kind,
    ends_of,
    readable,
    told_by,
)
from rnn_lockstep.reference.oracle.validation import Array


class KerasModel:
    """A keras.Model as a whole."""

    unread: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()

    def __init__(self, model: Any) -> None:
        self.model = model
        self.layers: Mapping[str, RecurrentLayer] = readable(
            keras_model.recurrent(model), lambda name, layer: keras_model.read(layer)
        )
        self.inputs = inputs_of(model)

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example, as in inference."""
        return self.watched_run(example, Recorder(emitted or {}))

    def watched_run(self, example: Example, recorder: Recorder, inner: bool = False) -> Run:
        """The answer, of which a recorder keeps what the layers got and gave. inner: of the others too."""
        keras_model.reset(self.model)
        with watched(self.model, self.layers, recorder, inner):
            answer = self.asked(example)
        return Run(tuple(as_numpy(array) for array in arrays_in(answer)), tuple(recorder.calls))

    def again(self, example: Example) -> Run:
        """The outputs for an example, nothing being forgotten of what was asked before."""
        return Run(tuple(as_numpy(array) for array in arrays_in(self.asked(example))))

    def asked(self, example: Example) -> Any:
        """The model's own answer."""
        arrays = [keras_model.tensor(array) for array in example.arrays]
        with foreign_code():
            return self.model(arrays[0] if len(arrays) == 1 else arrays, training=False)

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """The answers of the layers that are neither recurrent nor made of others."""
        recorder = Recorder(emitted or {})
        self.watched_run(example, recorder, inner=True)
        return recorder.inner

    def behind(self, example: Example, call: int | None, tensor: int) -> Collection[int] | None:
        """The numbers of the layers' answers that a tensor is made of, found by trying."""
        return behind(partial(self.watched_run, example, inner=True), call, tensor)

    def in_float(self, bits: int) -> "KerasModel":
        """A copy in float32 or float64. Raises where the model cannot be made again."""
        with foreign_code():
            config = in_dtype(self.model.get_config(), f"float{bits}")
            made = type(self.model).from_config(config)
            made.set_weights(self.model.get_weights())
        return KerasModel(made)

    def parameters(self) -> Mapping[str, Array]:
        """The weights of the layers that are not recurrent."""
        recurrent = keras_model.recurrent(self.model).values()
        theirs = {id(weight) for layer in recurrent for weight in layer.weights}
        return {w.path: as_numpy(w.value) for w in self.model.weights if id(w) not in theirs}

    def alone(self, layer: str) -> Any:
        """One of its recurrent layers."""
        return keras_model.recurrent(self.model)[layer]

    def facts(self) -> Facts:
        """The facts of Keras on the backend that it runs on."""
        return keras_model.facts()


def in_dtype(config: Any, dtype: str) -> Any:
    """The config of a model whose layers compute in a dtype; what is of integers remains so."""
    if isinstance(config, list):
        return [in_dtype(part, dtype) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {"name": dtype}}
    changed = {key: in_dtype(value, dtype) for key, value in config.items()}
    if str(config.get("dtype", "")).startswith("float"):
        changed["dtype"] = dtype
    return changed


def inputs_of(model: Any) -> tuple[Input, ...]:
    """The input specification of a model; none where it is not known, as of a subclass of Model."""
    import keras

    tensors = getattr(model, "inputs", None) or ()
    every = list(model._flatten_layers(include_self=False))
    embeddings = [layer for layer in every if isinstance(layer, keras.layers.Embedding)]
    masked = any(isinstance(layer, keras.layers.Masking) and not layer.mask_value for layer in every)
    found = []
    for tensor in tensors:
        behind = [e for e in embeddings if takes(e, tensor)] or (embeddings if len(tensors) == 1 else [])
        sizes = [size or ("time" if k else "batch") for k, size in enumerate(tensor.shape)]
        whole = (0, min(e.input_dim for e in behind) - 1) if behind else None
        padded = any(e.mask_zero for e in behind) if behind else masked
        found.append(Input(tensor.name, tuple(sizes), whole, padded, str(tensor.dtype)))
    return tuple(found)


def takes(layer: Any, tensor: Any) -> bool:
    """Tell whether a layer takes one of its model's inputs directly."""
    return any(given is tensor for node in layer._inbound_nodes for given in node.input_tensors)


@contextmanager
def watched(model: Any, readable: Container[str], recorder: Recorder, inner: bool = False) -> Iterator[None]:
    """Watch the recurrent layers of a model that can be read, by their names: each has a call of its own.

    inner: watch the others too.
    """
    recurrent = [layer for name, layer in keras_model.recurrent(model).items() if name in readable]
    others = others_in(model, recurrent) if inner else []
    for layer in recurrent:  # in __dict__, as Keras's own __setattr__ would track it
        layer.__dict__["call"] = partial(called, layer, layer.call, recorder)
    for layer in others:
        layer.__dict__["call"] = partial(kept, layer.name, layer.call, recorder)
    try:
        yield
    finally:
        for layer in (*recurrent, *others):
            layer.__dict__.pop("call", None)


def others_in(model: Any, recurrent: Sequence[Any]) -> list[Any]:
    """The layers of a model that are neither recurrent, nor within these, nor made of others."""
    within = {id(part) for layer in recurrent for part in layer._flatten_layers()}
    found = [layer for layer in model._flatten_layers(include_self=False) if id(layer) not in within]
    made = [layer for layer in found if len(list(layer._flatten_layers())) > 1]
    others = [layer for layer in found if not any(layer is one for one in made)]
    return [layer for layer in others if type(layer).__name__ != "InputLayer"]


def kept(name: str, call: Callable[..., Any], recorder: Recorder, *given: Any, **named: Any) -> Any:
    """The answer of a layer's call, kept and perhaps replaced."""
    return recorder.add_inner(name, call(*given, **named))


def called(
    layer: Any,
    call: Callable[..., Any],
    recorder: Recorder,
    sequences: Any,
    initial_state: Any = None,
    mask: Any = None,
    **more: Any,
) -> Any:
    """The answer of a layer's call, kept and perhaps replaced. Where all of it is, the layer need not run."""
    told = told_to(layer, sequences, initial_state, mask)
    instead = recorder.instead
    parts = [None] if instead is None else emitting(layer, instead, told)
    own = parts
    if any(part is None for part in parts):
        own = list(arrays_in(call(sequences, initial_state=initial_state, mask=mask, **more)))
        parts += [None] * (len(own) - len(parts))
        parts = [mine if other is None else other for mine, other in zip(own, parts, strict=True)]
    recorder.add(with_answer(told, layer, [as_numpy(part) for part in own]))
    return tuple(parts) if len(parts) > 1 else parts[0]


def told_to(layer: Any, inputs: Any, initial: Any, mask: Any) -> Call:
    """A call in the reference's form, as far as what the layer gets."""
    states = by_kind([as_numpy(state) for state in arrays_in(initial)], kinds_of(layer))
    lengths, steps = told_by(None if mask is None else as_numpy(mask))
    return Call(layer.name, as_numpy(inputs), states, lengths=lengths, mask=steps)


def with_answer(told: Call, layer: Any, answer: list[Array]) -> Call:
    """The call with what the layer gives."""
    outputs, *final = answer
    told = replace(told, final=by_kind(final, kinds_of(layer)))
    if not layer.return_sequences:
        return replace(told, last=outputs)
    return replace(told, outputs=in_time(layer, outputs))


def in_time(layer: Any, outputs: Array) -> Array:
    """Outputs in the order in which a layer gives them, from those in the order of time, and back."""
    return outputs[:, ::-1] if getattr(layer, "go_backwards", False) else outputs


def kinds_of(layer: Any) -> int:
    """The number of kinds of states, 2 for an LSTM."""
    size = getattr(layer, "forward_layer", layer).cell.state_size
    return len(size) if isinstance(size, (list, tuple)) else 1


def emitting(layer: Any, instead: Call, told: Call) -> list[Any]:
    """Another's outputs and final states as a layer gives its own; None for what the other has not."""
    import keras

    outputs = None if instead.outputs is None else in_time(layer, instead.outputs)
    if not layer.return_sequences:
        outputs = instead.last
        if outputs is None and instead.outputs is not None:
            outputs = last_of(layer, instead.outputs, told)
    final: list[Array | None] = [None] if layer.return_state else []
    if final and instead.final:
        final = [state[k] for k in range(len(instead.final[0])) for state in instead.final]
    dtype = getattr(layer, "forward_layer", layer).compute_dtype
    return [a if a is None else keras.ops.convert_to_tensor(a, dtype) for a in (outputs, *final)]


def last_of(layer: Any, outputs: Array, call: Call) -> Array | None:
    """The last output as Keras gives it in a call, of all outputs: each direction's where it ends.

    None where the directions cannot be told apart.
    """
    rows = np.arange(len(outputs))
    first, last = ends_of(call.counting(outputs.shape[1]))
    merge = getattr(layer, "merge_mode", "")
    if merge == "concat":
        half = outputs.shape[-1] // 2
        return np.concatenate([outputs[rows, last, :half], outputs[rows, first, half:]], axis=-1)
    if merge:
        return None
    return np.asarray(outputs[rows, first if layer.go_backwards else last])
