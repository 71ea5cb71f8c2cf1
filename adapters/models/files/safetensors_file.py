"""Files of tensors in safetensors' format, by the names that torch gives them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from rnn_lockstep.adapters.models.files import reading, torch_keys
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.torch_modules import modules_of
from rnn_lockstep.adapters.models.recurrent_layer import Found, RecurrentLayer
from rnn_lockstep.reference.oracle.validation import Array

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def read(path: Path) -> list[Found]:
    """The recurrent layers of a file, such as `safetensors.torch.save_file` makes. Raises InvalidModel."""
    with reading.refusing(path):
        return torch_keys.layers_or_names(torch_keys.unwrapped(tensors(path)))


def tensors(path: Path) -> dict[str, Any]:
    """The tensors of a file; only those of recurrent layers are arrays. Raises ValueError."""
    try:
        found = dict(sorted(deserialize(reading.contents(path))))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    return {
        key: reading.or_error(array_of, key, tensor)
        if torch_keys.is_recurrent(key)
        else reading.Unread(tuple(tensor["shape"]))
        for key, tensor in found.items()
    }


def array_of(key: str, tensor: dict[str, Any]) -> Array:
    """The array of a tensor with that key. Raises ValueError."""
    code, shape, data = (tensor[part] for part in ("dtype", "shape", "data"))
    if code not in DTYPES:
        raise ValueError(f"{key} has dtype {code}, needs {', '.join(DTYPES)}")
    return reading.array_in(data, reading.FLOATS[DTYPES[code]], shape, key)


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """The weights by torch's names, as `torch.nn.Module.load_state_dict` takes them. Raises InvalidModel."""
    data: bytes = save(torch_keys.state_dict(layers), {"format": "pt"})
    return data


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A torch module of each layer in a file."""
    from safetensors.torch import load_file

    return modules_of(load_file(path), layers)


FORMAT = Format(
    (".safetensors",), read, write, begins=re.compile(rb".{8}\{", re.S), framework="torch", load=load
)
