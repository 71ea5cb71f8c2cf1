"""PyTorch's files of state dicts, read without torch: the pickle in them is never run.

Reads what `torch.save` writes, of any version since 0.4: a zip archive, or the older stream of pickles with
the storages behind them.
"""

import re
import struct
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from rnn_lockstep.adapters.models.files import reading, torch_export, torch_keys
from rnn_lockstep.adapters.models.files.archive import Archive
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.torch_content import tensors_in
from rnn_lockstep.adapters.models.files.torch_modules import modules_of
from rnn_lockstep.adapters.models.files.torch_pickle import Storage, Tensor, unpickled
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer
from rnn_lockstep.reference.oracle.validation import Array

# An archive's first member is `NAME/data.pkl`, or in scripted modules `NAME/data/0`.
BEGINS = re.compile(
    rb"PK\x03\x04.{26}(?:[^/]{1,200}/\.?data[./]|serialized_)|\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", re.S
)
MAGIC = 0x1950A86A20F9469CFC6C  # of the older format
DTYPES = {"Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16"}
# Tensors may share their numbers, but not so many times that little in a file is much to look at.
MOST_SHARED = 16


def read(path: Path) -> list[Found]:
    """The recurrent layers of a file's state dicts. Raises InvalidModel."""
    with reading.refusing(path):
        return torch_keys.layers_or_names(tensors(path))


def tensors(path: Path) -> dict[str, Any]:
    """The tensors of a file's state dicts; only those of recurrent layers are arrays. Raises ValueError."""
    data = reading.contents(path)
    content, storage = _zipped(data) if data.startswith(b"PK") else _streamed(data)
    found = tensors_in(content)
    recurrent = {key: t for key, t in found.items() if torch_keys.is_recurrent(key)}
    arrays = {key: reading.or_error(array_of, key, t, storage) for key, t in recurrent.items()}
    if sum(getattr(array, "nbytes", 0) for array in arrays.values()) > MOST_SHARED * len(data):
        raise ValueError("its tensors share too few numbers to be so large")
    return {**found, **arrays}


def _zipped(data: bytes) -> tuple[Any, Callable[[Storage], Array]]:
    """The data saved in an archive, and a function that finds the numbers of its storages."""
    archive = Archive(data, compressed=False)
    if torch_export.STATE_DICT in archive.names:
        return _zipped(archive.read(torch_export.STATE_DICT))
    if config := torch_export.config_of(archive):
        folder = f"{config.partition('/')[0]}/"
        return torch_export.weights_in(archive, config), _numbers(archive, folder, "")
    found = [name for name in archive.names if name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError(f"the archive has {len(found)} members data.pkl, needs one")
    folder = found[0].removesuffix("data.pkl")
    return unpickled(BytesIO(archive.read(found[0]))), _numbers(archive, folder, f"{folder}data/")


def _numbers(archive: Archive, folder: str, before: str) -> Callable[[Storage], Array]:
    """A function that finds the numbers of storages, each the member of its key after some text."""
    order = f"{folder}byteorder"
    swapped = order in archive.names and archive.read(order) == b"big"

    @cache
    def numbers(storage: Storage) -> Array:
        dtype = _dtype(storage)
        stored = archive.read(f"{before}{storage.key}")
        array = _whole(np.frombuffer(stored, dtype), storage)[: storage.size]
        return array.byteswap() if swapped else array

    return numbers


def _streamed(data: bytes) -> tuple[Any, Callable[[Storage], Array]]:
    """The same for the older format: five pickles, then each storage's length with its bytes."""
    file = BytesIO(data)
    try:
        magic = unpickled(file)
    except ValueError:
        magic = None
    if magic != MAGIC:
        raise ValueError("it is no file that torch.save wrote: neither an archive nor the older format")
    kinds: dict[str, Storage] = {}
    _, system, content, keys = (unpickled(file, kinds) for _ in range(4))
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("it is not of a little-endian machine")
    if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys):
        raise ValueError("it has no list of storages")
    stored: dict[str, bytes] = {}
    for key in keys:
        if key not in kinds:
            raise ValueError(f"it has a storage {key!r} that no tensor uses")
        count = file.read(8)
        size = struct.unpack("<q", count)[0] * kinds[key].itemsize if len(count) == 8 else -1
        if not 0 <= size <= len(data) - file.tell():
            raise ValueError(f"it ends within its storage {key!r}")
        stored[key] = file.read(size)

    def numbers(storage: Storage) -> Array:
        if storage.key not in stored:
            raise ValueError(f"it has no storage {storage.key!r}")
        return _whole(np.frombuffer(stored[storage.key], _dtype(storage)), storage)

    return content, numbers


def _whole(numbers: Array, storage: Storage) -> Array:
    """The numbers of a storage. Raises ValueError where there are fewer than it should have."""
    if len(numbers) < storage.size:
        raise ValueError(f"its storage {storage.key!r} has {len(numbers)} numbers, and not {storage.size}")
    return numbers


def _dtype(storage: Storage) -> Any:
    if storage.kind not in DTYPES:
        raise ValueError(f"its weights are {storage.kind}, needs {', '.join(DTYPES)}")
    return reading.FLOATS[DTYPES[storage.kind]]


def array_of(key: str, tensor: Any, storage: Callable[[Storage], Array]) -> Array:
    """The tensor's view of its storage, nothing copied. Raises ValueError where it would leave it."""
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{key} is no plain tensor")
    numbers = storage(tensor.storage)
    offset, shape, strides = tensor.storage.start + tensor.offset, tensor.shape, tensor.strides
    size = offset + 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    total = prod(shape)
    if not total or size > len(numbers) or total > len(numbers):
        raise ValueError(f"{key} has shape {shape}, which is empty or more than its {len(numbers)} numbers")
    steps = [stride * numbers.itemsize if n > 1 else 0 for n, stride in zip(shape, strides, strict=True)]
    return as_strided(numbers[offset:], shape, steps, writeable=False)


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """A state dict as `torch.save` writes it, each layer's name before its keys. Raises InvalidModel."""
    arrays = torch_keys.state_dict(layers)
    try:
        import torch
    except ImportError:
        raise InvalidModel("torch is not installed, and writes its own files: pip install torch") from None
    buffer = BytesIO()
    torch.save({key: _tensor(torch, array) for key, array in arrays.items()}, buffer)
    return buffer.getvalue()


def _tensor(torch: Any, array: Array) -> Any:
    """A tensor with a copy of the numbers; bfloat16, which torch takes from no array, by its bits."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A torch module of each layer in a file."""
    import torch

    return modules_of(torch.load(path, weights_only=True), layers)


FORMAT = Format(
    (".pt", ".pth"),
    read,
    write,
    begins=BEGINS,
    backend="torch",
    framework="torch",
    load=load,
)
