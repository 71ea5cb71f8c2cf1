"""Every format of model files, and the one that a file has."""

import re
from pathlib import Path

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.models.files import (
    flax_msgpack,
    keras_archive,
    keras_h5,
    keras_weights,
    npz,
    onnx_file,
    safetensors_file,
    torch_file,
)
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer, readable
from rnn_lockstep.adapters.one_line import printable

# The modules of formats import nothing that is large until a file is read or written.
EVERY = (
    keras_weights.FORMAT,
    keras_h5.FORMAT,
    keras_archive.FORMAT,
    torch_file.FORMAT,
    safetensors_file.FORMAT,
    npz.FORMAT,
    onnx_file.FORMAT,
    flax_msgpack.FORMAT,
)
FORMATS: dict[str, Format] = {suffix: each for each in EVERY for suffix in each.suffixes}
WRITABLE = tuple(suffix for suffix, each in FORMATS.items() if each.write)
# The name of one of several files that a model's weights were divided into, as transformers does.
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.[a-z]+$")
BEGINNING = 256  # bytes, which tell the format where the suffix does not


def format_of(path: Path) -> Format:
    """The format of a file: by the longest suffix that is known, else by its first bytes.

    Raises InvalidModel where neither tells.
    """
    if fitting := [suffix for suffix in FORMATS if path.name.endswith(suffix)]:
        return FORMATS[max(fitting, key=len)]
    try:
        start = safe_files.read_part(path, 0, min(BEGINNING, safe_files.size_of(path)))
    except (OSError, ValueError):
        start = b""
    for each in EVERY:
        if each.begins and each.begins.match(start):
            return each
    raise InvalidModel(f"{printable(path)}: no known format; there are {', '.join(FORMATS)}")


def read_model(path: Path) -> list[RecurrentLayer]:
    """The recurrent layers of a model file that can be read. Raises InvalidModel where there are none."""
    return readable(found_in(path), printable(path))


def found_in(path: Path) -> list[Found]:
    """The recurrent layers of a model file, with a reason for each that cannot be read.

    Raises InvalidModel where there are none at all, or the file itself cannot be read.
    """
    if (shard := SHARD.search(path.name)) and int(shard[2]) > 1:
        told = f"is shard {int(shard[1])} of {int(shard[2])}, a part of a model: join them into one file"
        raise InvalidModel(f"{printable(path)}: {told}")
    layers = [*format_of(path).read(path)]
    if not layers:
        raise InvalidModel(f"{printable(path)}: has no recurrent layers that can be read")
    return layers
