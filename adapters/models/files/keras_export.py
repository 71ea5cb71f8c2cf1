"""Layers from anywhere as Keras has them: a functional model of just these, and its weights.

Each layer has an input and an output of its own. A stack becomes several layers, one on the other, named
name, name_1, ...; two biases become their sum, but for a GRU with reset_after, which has both.
"""

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.models.files.keras_config import CLASSES, group_names
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.validation import Array

KERAS_VERSION = "3.15.1"  # whose files these are like
CLASS_OF = {cell: name for name, cell in reversed(CLASSES.items())}
Graph = dict[str, Any]


def keras_layers(layers: Sequence[RecurrentLayer]) -> list[list[RecurrentLayer]]:
    """The Keras layers for each layer: one, or a stack's from the lowest to the highest.

    They are what a file of them yields when it is read. Raises InvalidModel for what Keras cannot express.
    """
    reading.need_no_projection(layers, "Keras")
    used: Counter[str] = Counter()
    everyone = []
    for layer in layers:
        need_expressible(layer)
        pieces = []
        for k in range(layer.layers):
            cells = layer.cells[k * layer.directions :][: layer.directions]
            pieces.append(
                replace(
                    layer,
                    name=unique(layer, used),
                    cells=tuple(storable(layer, weights) for weights in cells),
                    return_sequences=layer.return_sequences or k < layer.layers - 1,
                    assumed=(),
                )
            )
        everyone.append(pieces)
    return everyone


def need_expressible(layer: RecurrentLayer) -> None:
    """Raise InvalidModel, with the reason, for what no layer of Keras computes."""
    if "hard_sigmoid_keras2" in [getattr(layer, name) for name in layer.record.options]:
        raise InvalidModel(f"layer {layer.name}: Keras 3 has no hard_sigmoid of slope 1/5, only 1/6")
    if layer.reverse and layer.return_sequences and not layer.outputs_reversed:
        raise InvalidModel(
            f"layer {layer.name}: Keras's go_backwards leaves outputs in the order of the steps, "
            "not of the inputs"
        )


def storable(layer: RecurrentLayer, weights: Weights) -> Weights:
    """A cell's weights with the biases that Keras has."""
    b, recurrent_b = weights.b, weights.recurrent_b
    if b is None and recurrent_b is None:
        return weights
    b = np.zeros_like(recurrent_b) if b is None else b
    recurrent_b = np.zeros_like(b) if recurrent_b is None else recurrent_b
    if "reset_after" in layer.record.options and layer.reset_after:
        return weights._replace(b=b, recurrent_b=recurrent_b)
    with np.errstate(over="ignore"):
        b = b + recurrent_b
    if not np.isfinite(b).all():
        raise InvalidModel(f"layer {layer.name}: the sum of its biases is too large for {layer.dtype}")
    return weights._replace(b=b, recurrent_b=None)


def unique(layer: RecurrentLayer, used: Counter[str]) -> str:
    """A name that Keras and TensorFlow take, and no other layer or input has."""
    wanted = re.sub(r"[^\w.-]", "_", layer.name.replace("/", "."), flags=re.ASCII).lstrip("_-")
    name = wanted = wanted or layer.cell
    while used[name] or used[input_name(name)]:
        used[wanted] += 1
        name = f"{wanted}_{used[wanted] - 1}"
    used.update([name, input_name(name)])
    return name


def input_name(name: str) -> str:
    """The name of a layer's input."""
    return f"input_{name}"


def in_keras_order(stacks: Sequence[Sequence[RecurrentLayer]]) -> list[RecurrentLayer]:
    """The layers as Keras sorts those of a functional model: the farthest from their output first.

    Groups of variables are numbered in this order, and weights in Keras 2's layout are stored in it.
    """
    longest = max((len(stack) for stack in stacks), default=0)
    return [stack[-k] for k in range(longest, 0, -1) for stack in stacks if k <= len(stack)]


def model_config(stacks: Sequence[Sequence[RecurrentLayer]]) -> Graph:
    """The functional model's configuration, as in config.json."""
    inputs, nodes = [], {}
    for stack in stacks:
        dtype, shape, name = stack[0].dtype.name, [None, None, stack[0].input_size], input_name(stack[0].name)
        own = {"batch_shape": shape, "dtype": dtype, "sparse": False, "ragged": False, "name": name}
        inputs.append({**keras_object("InputLayer", own), "name": name, "inbound_nodes": []})
        for layer in stack:
            tensor = {"shape": shape, "dtype": dtype, "keras_history": [name, 0, 0]}
            call = {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}
            nodes[layer.name] = {**layer_config(layer), "name": layer.name, "inbound_nodes": [call]}
            features = layer.hidden_size * (2 if layer.merge_mode == "concat" else 1)
            name, shape = layer.name, [None, None, features]
    everyone = [*inputs, *(nodes[layer.name] for layer in in_keras_order(stacks))]
    config = {"name": "converted", "trainable": True, "layers": everyone}
    config["input_layers"] = [[node["name"], 0, 0] for node in inputs]
    config["output_layers"] = [[stack[-1].name, 0, 0] for stack in stacks]
    kind = "Functional"
    return {
        "module": "keras.src.models.functional",
        "class_name": kind,
        "config": config,
        "registered_name": kind,
    }


def layer_config(layer: RecurrentLayer) -> Graph:
    """The configuration of one layer, with all that is not its class's default."""
    config = {
        "name": layer.name,
        "dtype": layer.dtype.name,
        "units": layer.hidden_size,
        "return_sequences": layer.return_sequences,
        "go_backwards": layer.reverse,
        "use_bias": layer.biases > 0,
        **{name: getattr(layer, name) for name in layer.record.options},
    }
    if layer.dtype.name == "bfloat16":
        config["recurrent_initializer"] = "zeros"  # the default one cannot make any
    if layer.merge_mode is None:
        return keras_object(CLASS_OF[layer.cell], config)
    directions = {
        key: keras_object(
            CLASS_OF[layer.cell], {**config, "name": f"{word}_{layer.name}", "go_backwards": back}
        )
        for key, word, back in (("layer", "forward", False), ("backward_layer", "backward", True))
    }
    own = {"name": layer.name, "dtype": layer.dtype.name, "merge_mode": layer.merge_mode, **directions}
    return keras_object("Bidirectional", own)


def keras_object(kind: str, config: Graph) -> Graph:
    """The configuration of a layer with its class."""
    return {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}


def weight_arrays(stacks: Sequence[Sequence[RecurrentLayer]]) -> dict[str, Array | str]:
    """The arrays by their path in model.weights.h5, and each layer's name by its group's."""
    content: dict[str, Array | str] = {}
    layers = in_keras_order(stacks)
    classes = [CLASS_OF[layer.cell] if layer.merge_mode is None else "Bidirectional" for layer in layers]
    for layer, group in zip(layers, group_names(classes), strict=True):
        path = f"layers/{group}"
        content[f"{path}/vars"] = layer.name
        inner = [path] if layer.merge_mode is None else [f"{path}/{w}_layer" for w in ("forward", "backward")]
        for place, weights in zip(inner, layer.cells, strict=True):
            for k, array in enumerate(variables_of(layer, weights)):
                content[f"{place}/cell/vars/{k}"] = array
    return content


def variables_of(layer: RecurrentLayer, weights: Weights) -> list[Array]:
    """A cell's kernel, recurrent kernel and bias."""
    packed = pack(weights, layer.cell, "keras", reset_after=layer.reset_after)
    biases = [bias for bias in (packed.b, packed.recurrent_b) if bias is not None]
    bias = [np.stack(biases) if len(biases) > 1 else biases[0]] if biases else []
    return [packed.W, packed.U, *bias]


def weights_file(stacks: Sequence[Sequence[RecurrentLayer]]) -> bytes:
    """The bytes of model.weights.h5, an HDF5 file with the layers' variables. Raises InvalidModel."""
    reading.need_package("h5py")
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for path, content in weight_arrays(stacks).items():
            if isinstance(content, str):
                root.require_group(path).attrs["name"] = content
                continue
            array = root.create_dataset(path, data=content)
            if content.dtype.name == "bfloat16":  # HDF5 has no such type
                array.attrs["dtype"] = "bfloat16"
    return file.getvalue()
