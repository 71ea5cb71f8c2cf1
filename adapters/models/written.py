"""Model files loaded as their framework loads them: live models of each layer, to prove what was written."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.files import FORMATS, format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, stacked
from rnn_lockstep.reference.oracle.validation import Array

# Its sigmoid is off by up to 1.3e-7 near x = -18, where it should be nearly zero, and its tanh likewise.
ONNX_RUNTIME = Facts("ONNX Runtime", function_error=2.0**-22)

Loader = Callable[[Path, Sequence[RecurrentLayer]], list[Any]]


def loaded(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A live model, or what a reader finds where no framework has the format, for each layer of a file.

    layers: what was written to it. Raises InvalidModel where the framework is not installed, and whatever
    the framework raises.
    """
    name = format_of(path).__name__.rpartition(".")[2]
    load, needs = LOADERS[name]
    try:
        for module in needs:
            import_module(module)
    except ImportError:
        raise InvalidModel(f"{needs[0]} is not installed, and what is written is tried with it") from None
    return load(path, layers)


def torch_modules(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """Each layer's module, which must take all of its keys and no others."""
    import torch

    if path.suffix == ".safetensors":
        tensors = import_module("safetensors.torch").load_file(path)
    else:
        tensors = torch.load(path, weights_only=True)
    modules = []
    for layer in layers:
        options: dict[str, Any] = {
            "num_layers": layer.layers,
            "bias": layer.biases > 0,
            "bidirectional": layer.merge_mode is not None,
            "batch_first": True,
            "dtype": getattr(torch, layer.dtype.name),
        }
        if layer.cell == "simple_rnn":
            options["nonlinearity"] = layer.activation
        kind = {"simple_rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[layer.cell]
        module = kind(layer.input_size, layer.hidden_size, **options)
        prefix = f"{layer.name}."
        own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        module.load_state_dict(own)
        modules.append(module)
    return modules


def keras_models(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """From each layer's input to its output."""
    import keras

    model = keras.saving.load_model(path, compile=False)
    return [keras.Model(*ends) for ends in zip(model.inputs, model.outputs, strict=True)]


def keras_weights(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """The same from weights alone, loaded into the model that goes with them."""
    import keras

    archive = import_module("rnn_lockstep.adapters.models.files.keras_archive")
    whole = path.with_name(f"{path.name}.keras")
    try:
        whole.write_bytes(archive.write(layers))
        model = keras.saving.load_model(whole, compile=False)
    finally:
        whole.unlink(missing_ok=True)
    for variable in model.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.load_weights(path)
    return [keras.Model(*ends) for ends in zip(model.inputs, model.outputs, strict=True)]


def onnx_sessions(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A function for each layer, run by ONNX Runtime."""
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    sizes = {f"{layer.name}.inputs": (layer.input_size, layer.dtype) for layer in layers}
    outputs = [output.name for output in session.get_outputs()]

    def function(layer: RecurrentLayer) -> Callable[[Array], list[Array]]:
        own = [name for name in outputs if name.rpartition(".")[0] == layer.name]

        def run(inputs: Array) -> list[Array]:
            shape = inputs.shape[:2]  # of all inputs, as the graph says
            given = {name: np.zeros((*shape, size), dtype) for name, (size, dtype) in sizes.items()}
            found: list[Array] = session.run(own, {**given, f"{layer.name}.inputs": inputs})
            return found

        run.__name__ = "ONNX Runtime"
        run.facts = ONNX_RUNTIME  # type: ignore[attr-defined]
        return run

    return [function(layer) for layer in layers]


def flax_functions(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A function for each layer, of linen's `nn.RNN` and `nn.Bidirectional` applied to its parameters."""
    from flax.serialization import msgpack_restore

    parameters = msgpack_restore(path.read_bytes())["params"]

    def function(layer: RecurrentLayer) -> Callable[[Array], Any]:
        own = parameters
        for part in layer.name.split("."):
            own = own[part]
        trees = [own] if layer.layers == 1 else [own[f"layers_{k}"] for k in range(layer.layers)]
        module = linen(layer)

        def run(inputs: Array) -> Any:
            value: Any = inputs
            for tree in trees:
                value = module.apply({"params": tree}, value)
            return value

        run.__name__ = "flax.linen"
        return run

    return [function(layer) for layer in layers]


def linen(layer: RecurrentLayer) -> Any:
    """One of a stack's layers."""
    from flax import linen as nn

    def rnn(**options: Any) -> Any:
        cell: Any = {"simple_rnn": nn.SimpleCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[layer.cell]
        own: dict[str, Any] = {"param_dtype": layer.dtype, "dtype": layer.dtype}
        if layer.cell == "simple_rnn":
            own["activation_fn"] = {"tanh": nn.tanh, "relu": nn.relu}[layer.activation]
        elif layer.recurrent_activation == "hard_sigmoid":
            own["gate_fn"] = nn.hard_sigmoid
        return nn.RNN(cell(layer.hidden_size, **own), **options)

    if layer.merge_mode is None:
        return rnn(reverse=layer.reverse, keep_order=layer.reverse and not layer.outputs_reversed)
    return nn.Bidirectional(rnn(), rnn())


def read_back(path: Path, layers: Sequence[RecurrentLayer]) -> list[RecurrentLayer]:
    """What our own reader finds, by name, or in order where several of the file's were a stack's."""
    left = list(read_model(path))
    named = {layer.name: layer for layer in left}
    if all(layer.name in named and named[layer.name].layers == layer.layers for layer in layers):
        return [named[layer.name] for layer in layers]
    found = []
    for layer in layers:
        parts = [left.pop(0)]
        while left and sum(part.layers for part in parts) < layer.layers:
            parts.append(left.pop(0))
        found.append(stacked(parts))
    return found


# How what is written in a format is tried, and what must be installed for that.
LOADERS: dict[str, tuple[Loader, tuple[str, ...]]] = {
    "torch_file": (torch_modules, ("torch",)),
    "safetensors_file": (torch_modules, ("torch",)),
    "keras_archive": (keras_models, ("keras",)),
    "keras_h5": (keras_models, ("keras",)),
    "keras_weights": (keras_weights, ("keras",)),
    "onnx_file": (onnx_sessions, ("onnxruntime",)),
    "flax_msgpack": (flax_functions, ("flax",)),
    "npz": (read_back, ()),
}
WRITABLE = tuple(suffix for suffix, name in FORMATS.items() if name in LOADERS)
