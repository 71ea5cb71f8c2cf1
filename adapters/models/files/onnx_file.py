"""ONNX models: their RNN, GRU and LSTM nodes are read, and none is run; layers are written as such nodes."""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.onnx_nodes import OPERATORS
from rnn_lockstep.adapters.frameworks.runtimes import ONNX_RUNTIME
from rnn_lockstep.adapters.models.files import onnx_writer, reading
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.onnx_reader import STANDARD, Graph, name_of
from rnn_lockstep.adapters.models.recurrent_layer import Found, RecurrentLayer, UnreadLayer
from rnn_lockstep.reference.oracle.validation import Array

# What to do about a graph of loops or single steps, and about functions.
EXPORT = " (torch.onnx.export writes one with dynamo=False)"
INLINE = "onnx.inliner.inline_local_functions puts it into the graph, where it can be read"


def read(path: Path) -> list[Found]:
    """The recurrent layers of a model; nodes on top of each other with one name are one. Raises InvalidModel.

    `torch.onnx.export` leaves large tensors in a second file, which is read where it is beside the first.
    """
    reading.need_package("onnx")
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    with reading.refusing(path):
        data = reading.contents(path)
        try:
            model = onnx.ModelProto.FromString(data)
        except DecodeError:
            raise ValueError("it is no ONNX model, or damaged") from None
        found = [*Graph(model.graph, path.parent, len(data)).layers(), *in_functions(model)]
        return found or nothing_in(model.graph)


def in_functions(model: Any) -> list[Found]:
    """The recurrent nodes in a model's own functions, which are given their weights where they are called."""
    return [
        UnreadLayer(name_of(node), f"it lies in the function {function.name}: {INLINE}")
        for function in model.functions
        for node in function.node
        if node.op_type in OPERATORS and node.domain in STANDARD
    ]


def nothing_in(graph: Any) -> list[Found]:
    """No layers. Raises ValueError, telling what there is instead."""
    kinds = list(dict.fromkeys(str(node.op_type)[: reading.LONGEST_NAME] for node in graph.node))
    arrays = {tensor.name: reading.Unread(tuple(tensor.dims)) for tensor in graph.initializer}
    told = f"it has no RNN, GRU or LSTM node{EXPORT} but {reading.some(kinds, 60) or 'none at all'}"
    return reading.need_layers([], arrays, told)


def is_ours(path: Path) -> bool:
    """Tell whether a file is one that `write` makes, with layers side by side. Raises InvalidModel."""
    return str(model_in(path).producer_name) == onnx_writer.PRODUCER


def around(path: Path) -> bool:
    """Tell whether a model has more than its recurrent nodes. Raises InvalidModel."""
    return not is_ours(path) and not Graph(model_in(path).graph, path.parent, path.stat().st_size).is_bare()


def model_in(path: Path) -> Any:
    """The model in a file, without tensors in other files. Raises InvalidModel."""
    reading.need_package("onnx")
    import onnx
    from google.protobuf.message import DecodeError

    with reading.refusing(path):
        try:
            return onnx.load(path, format="protobuf", load_external_data=False)
        except DecodeError:
            raise ValueError("it is no ONNX model, or damaged") from None


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """A model of which each layer is a part of its own: see `onnx_writer`. Raises InvalidModel."""
    reading.need_package("onnx")
    return onnx_writer.model_of(layers)


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A function for each layer in a file, from inputs to outputs and final states, run by ONNX Runtime."""
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


# A model begins with the version of its format, and then, mostly, the name of what made it.
FORMAT = Format(
    (".onnx",),
    read,
    write,
    begins=re.compile(rb"\x08[\x03-\x1f]\x12"),
    around=around,
    framework="onnxruntime",
    load=load,
)
