"""The constant arrays of an ONNX graph: those that are stored, and those that a few nodes make of them.

Exporters that do not fold constants leave the nodes that put a layer's weights together, and quantizers those
that make floats of whole numbers; of these the ones in MADE are followed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.reference.oracle.validation import Array

DEEPEST = 32
# The dtypes of whole numbers that are read; only nodes and no weights are made of them.
WHOLE = ("int64", "int32", "int8", "uint8", "int16", "uint16")
# What nodes may be given, in times of what is stored.
MOST_TIMES = 16
Made = Callable[[Sequence[Array], dict[str, Any]], Array]


def attributes_of(node: Any) -> dict[str, Any]:
    """A node's attributes by name."""
    import onnx

    return {str(a.name): onnx.helper.get_attribute_value(a) for a in node.attribute}


def _axes(arrays: Sequence[Array], attributes: dict[str, Any]) -> tuple[int, ...]:
    """The axes of a node, which older operator sets have as an attribute."""
    return tuple(int(n) for n in (arrays[1] if len(arrays) > 1 else attributes["axes"]))


def _slice(arrays: Sequence[Array], attributes: dict[str, Any]) -> Array:
    """The part of an array that a Slice node takes."""
    starts, ends = (
        arrays[1:3] if len(arrays) > 2 else (np.array(attributes[name]) for name in ("starts", "ends"))
    )
    axes = arrays[3] if len(arrays) > 3 else attributes.get("axes", range(len(starts)))
    steps = arrays[4] if len(arrays) > 4 else [1] * len(starts)
    cut = [slice(None)] * arrays[0].ndim
    for axis, *ends_of_it in zip(axes, starts, ends, steps, strict=True):
        cut[int(axis)] = slice(*(int(n) for n in ends_of_it))
    return arrays[0][tuple(cut)]


def _dequantized(arrays: Sequence[Array], attributes: dict[str, Any]) -> Array:
    """The floats that whole numbers stand for, which any runtime rounds once: (x - zero point)·scale."""
    numbers, scale, *zero_point = arrays
    if attributes.get("block_size", 0):
        raise ValueError("it is quantized in blocks, which are not read")
    if numbers.dtype.kind not in "iu" or scale.dtype != np.float32:
        raise ValueError(f"it makes numbers of {numbers.dtype} with scales of {scale.dtype}")
    along = [1] * numbers.ndim
    if scale.size > 1:
        along[int(attributes.get("axis", 1))] = -1
    zeros = zero_point[0].astype(np.int32).reshape(along) if zero_point else np.int32(0)
    return (numbers.astype(np.int32) - zeros).astype(np.float32) * scale.reshape(along)


def _cast(arrays: Sequence[Array], attributes: dict[str, Any]) -> Array:
    """An array in another dtype of floats."""
    import onnx

    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    if {dtype.name, arrays[0].dtype.name} - reading.FLOATS.keys():
        raise ValueError(f"it makes {dtype} of {arrays[0].dtype}")
    return arrays[0].astype(dtype)


MADE: dict[str, Made] = {
    "Identity": lambda arrays, _: arrays[0],
    "Unsqueeze": lambda arrays, attributes: np.expand_dims(arrays[0], _axes(arrays, attributes)),
    "Squeeze": lambda arrays, attributes: np.squeeze(arrays[0], _axes(arrays, attributes)),
    "Transpose": lambda arrays, attributes: np.transpose(arrays[0], attributes.get("perm")),
    "Concat": lambda arrays, attributes: np.concatenate(arrays, int(attributes["axis"])),
    "Slice": _slice,
    "DequantizeLinear": _dequantized,
    "Cast": _cast,
}


class Constants:
    """The constants of a graph in a file of `size` bytes, in whose folder tensors may lie in other files.

    outer: those of the graph around it, whose names are known in it too unless it has them itself.
    """

    def __init__(self, graph: Any, folder: Path, size: int, outer: "Constants | None" = None) -> None:
        self.folder, self.outer = folder, outer
        self.left: list[int] = outer.left if outer else [MOST_TIMES * size]  # for all graphs of the file
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        self.nodes = {output: node for node in graph.node for output in node.output if output}
        self.given = {value.name for value in graph.input}
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, depth: int = 0) -> Array:
        """The constant of that name. Raises ValueError where there is none."""
        own = name in self.stored or name in self.nodes or name in self.given
        if self.outer is not None and not own:
            return self.outer.array(name, depth)
        if name not in self.arrays:
            self.arrays[name] = self._made(name, depth)
        return self.arrays[name]

    def floats(self, name: str) -> Array:
        """The constant of that name, which is of floats. Raises ValueError where there is none."""
        array = self.array(name)
        if array.dtype.name not in reading.FLOATS:
            raise ValueError(f"{name} has dtype {array.dtype}, needs {', '.join(reading.FLOATS)}")
        return array

    def _made(self, name: str, depth: int) -> Array:
        """The constant that is stored, or that nodes make of stored ones."""
        if name in self.stored:
            return self._stored(self.stored[name], name)
        node = self.nodes.get(name)
        if node is None or depth > DEEPEST or node.op_type not in {"Constant", *MADE}:
            made_by = f"made by {node.op_type}" if node is not None else "given from outside"
            raise ValueError(f"{name} is {made_by}, needs a constant: export with constants folded")
        attributes = attributes_of(node)
        if node.op_type == "Constant":
            value = attributes.get("value")
            if not hasattr(value, "raw_data"):
                raise ValueError(f"{name} is a Constant without a tensor")
            return self._stored(value, name)
        arrays = [self.array(given, depth + 1) for given in node.input if given]
        self.left[0] -= sum(array.nbytes for array in arrays)
        if self.left[0] < 0:
            raise ValueError(f"{name} is put together of more numbers than the file should need")
        try:
            return MADE[node.op_type](arrays, attributes)
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{name} is made by a damaged {node.op_type}: {error}") from None

    def _stored(self, tensor: Any, name: str) -> Array:
        """A tensor's array, its shape checked against the bytes there are."""
        import onnx

        try:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except KeyError:
            raise ValueError(f"{name} has the unknown dtype {tensor.data_type}") from None
        if dtype.name not in {*reading.FLOATS, *WHOLE}:
            raise ValueError(f"{name} has dtype {dtype}, needs {', '.join(reading.FLOATS)}")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            data = self._external({entry.key: entry.value for entry in tensor.external_data}, name)
        elif tensor.HasField("raw_data"):
            data = tensor.raw_data
        else:
            flat = onnx.TensorProto()
            flat.CopyFrom(tensor)
            count = max(
                len(flat.float_data), len(flat.double_data), len(flat.int32_data), len(flat.int64_data)
            )
            flat.dims[:] = [count]
            data = onnx.numpy_helper.to_array(flat).astype(dtype).tobytes()
        shape = list(tensor.dims)
        if not shape:  # a number
            shape, data = [1], data[: dtype.itemsize]
        return reading.array_in(data, dtype, shape, name)

    def _external(self, told: dict[str, str], name: str) -> bytes:
        """The part of a file beside this one that holds a tensor; no other path is followed."""
        location = str(told.get("location", ""))
        path = self.folder / location
        if Path(location).name != location or location in ("", "..") or "\\" in location or path.is_symlink():
            raise ValueError(f"{name} lies in {location!r}, which is no file in the same folder")
        try:
            offset, length = int(told.get("offset", 0)), int(told["length"])
            data = safe_files.read_part(path, offset, length)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{name} lies in {location}: {in_one_line(error)}") from None
        self.left[0] += MOST_TIMES * length
        return data
