"""Trees of arrays in msgpack, as `flax.serialization` has them.

An array is an extension of type 1: in msgpack again, its shape, its dtype's name and its bytes in C order.
Source: `flax.serialization.msgpack_serialize`, flax 0.12.
"""

from functools import partial
from typing import Any

from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.models.files.tree import Leaf, unwrapped
from rnn_lockstep.reference.oracle.validation import Array

NDARRAY = 1
CHUNKS = "__msgpack_chunked_array__"  # the key of an array of more than a gigabyte
MOST_BRANCHES = 2**18


def tree_of(data: bytes) -> dict[str, Any]:
    """The dictionaries in a file's bytes, with Leaves for arrays; a wrapped {"value": array} is the array.

    Raises ValueError where they are none, or more of them than a model has: each takes memory.
    """
    reading.need_package("msgpack")
    import msgpack

    left = MOST_BRANCHES

    def branch(value: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"it has more than {MOST_BRANCHES} dictionaries or lists")
        if isinstance(value, dict) and CHUNKS in value:
            raise ValueError("it has an array of more than a gigabyte, in chunks, which are not read")
        return unwrapped(value)

    def extension(code: int, content: bytes) -> Any:
        return Leaf(partial(array_of, content)) if code == NDARRAY else None

    try:
        tree = msgpack.unpackb(
            data,
            object_hook=branch,
            list_hook=branch,
            ext_hook=extension,
            max_array_len=MOST_BRANCHES,
            max_map_len=MOST_BRANCHES,
        )
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"it is no msgpack as flax writes it: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"it holds a {type(tree).__name__}, needs a dictionary of parameters")
    return tree


def array_of(content: bytes, name: str) -> Array:
    """The array of an extension, which is called `name` in the ValueError for one that is damaged."""
    reading.need_package("msgpack")
    import msgpack

    try:
        shape, dtype, data = msgpack.unpackb(content, raw=True, max_array_len=64, max_map_len=0)
        dtype = dtype.decode("ascii", "replace")
    except (ValueError, TypeError, AttributeError, msgpack.UnpackException):
        raise ValueError(f"{name} is no array of flax's") from None
    if not isinstance(data, bytes) or not isinstance(shape, list):
        raise ValueError(f"{name} has no shape or no numbers")
    if dtype not in reading.FLOATS:
        raise ValueError(f"{name} has dtype {dtype}, needs {', '.join(reading.FLOATS)}")
    return reading.array_in(data, reading.FLOATS[dtype], shape, name)


def packed_tree(tree: dict[str, Any]) -> bytes:
    """The bytes of dictionaries of arrays. Raises ValueError for what msgpack cannot hold."""
    reading.need_package("msgpack")
    import msgpack

    def extension(array: Array) -> Any:
        content = msgpack.packb((array.shape, array.dtype.name, array.tobytes()))
        return msgpack.ExtType(NDARRAY, content)

    data: bytes = msgpack.packb(tree, default=extension)
    return data
