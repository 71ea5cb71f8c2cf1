"""The input specification of an ONNX graph: names, sizes and dtypes, and how large integers may be."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files.onnx_constants import attributes_of
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.whole.inputs import Input
from rnn_lockstep.adapters.port.whole.onnx_graph import behind

# Nodes through which an input stays the same numbers, or the same in another dtype.
SAME = ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Flatten")
TIMES = re.compile("time|seq|len|step|t", re.I)  # what a size is called that is no batch


def given(graph: Any) -> list[Any]:
    """The inputs of a graph that are given from outside; older files list their constants too."""
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype of an input. Raises InvalidModel for what is no array of numbers."""
    import onnx

    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    except KeyError:
        raise InvalidModel(f"input {printable(value.name)} is no array of numbers") from None


def is_float(dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype is one of floats, bfloat16 among them."""
    return dtype.kind not in "iub"


def padded_by(graph: Any, lengths: Iterable[str]) -> list[str]:
    """The inputs that decide the lengths of rows, which recurrent nodes are told as `lengths`."""
    found = behind(graph, filter(None, lengths), through=lambda node: node.op_type != "Shape")
    return [value.name for value in given(graph) if value.name in found]


def rank(value: Any) -> int:
    """The number of axes of an input."""
    return len(value.type.tensor_type.shape.dim)


def inputs_of(graph: Any, padded: Sequence[str]) -> tuple[Input, ...]:
    """The input specification of a graph, without the lengths of rows.

    padded: the inputs that decide these lengths; those of one axis are the lengths themselves.
    Raises InvalidModel for an input that is no array of numbers.
    """
    found = []
    for value in given(graph):
        if value.name in padded and rank(value) == 1:
            continue
        dtype, shape = dtype_of(value), tuple(sizes(value.type.tensor_type.shape.dim))
        whole = None if is_float(dtype) else range_of(graph, value.name)
        rows = bool(padded) and shape[:2] == ("batch", "time")
        found.append(Input(value.name, shape, whole, rows, "int64" if whole else str(dtype)))
    return tuple(found)


def sizes(dims: Sequence[Any]) -> Iterator[str | int]:
    """The sizes of an input: the first free one is the batch, the second the time, others as they are named.

    Where the first is fixed, or is named like the time and the second is not, it is the other way round.
    """
    named = [dim.dim_param or f"axis {k}" for k, dim in enumerate(dims)]
    names = list(dict.fromkeys(n for n, dim in zip(named, dims, strict=True) if not dim.dim_value))
    known = ["batch", "time"]
    if names and (dims[0].dim_value or (TIMES.match(names[0]) and not all(map(TIMES.match, names[:2])))):
        known.reverse()
    told = dict(zip(names, known, strict=False))
    for name, dim in zip(named, dims, strict=True):
        yield int(dim.dim_value) or told.get(name, name)


def range_of(graph: Any, name: str) -> tuple[int, int] | None:
    """The integers that an input may be: the rows of the smallest array that it is looked up in.

    None where it is looked up in none.
    """
    same, rows = {name}, []
    stored = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:  # each after what it takes
        if node.op_type in SAME and node.input and node.input[0] in same:
            same.add(node.output[0])
        if node.op_type == "Constant" and hasattr(attributes_of(node).get("value"), "dims"):
            stored[node.output[0]] = list(attributes_of(node)["value"].dims)
        if node.op_type == "Gather" and node.input[1] in same and node.input[0] in stored:
            rows.append(stored[node.input[0]][attributes_of(node).get("axis", 0)])
    return (0, min(rows) - 1) if rows else None
