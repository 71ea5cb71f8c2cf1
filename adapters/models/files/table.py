"""Every format of model files, and the one that a file has."""

import os
import re
from pathlib import Path

from rnn_lockstep.adapters.models.files import (
    flax_msgpack,
    keras_archive,
    keras_h5,
    keras_weights,
    npz,
    onnx_file,
    orbax_folder,
    reading,
    safetensors_file,
    shards,
    tensorflow_checkpoint,
    tflite,
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
    shards.FORMAT,
    flax_msgpack.FORMAT,
    tensorflow_checkpoint.FORMAT,
    tflite.FORMAT,
    orbax_folder.FORMAT,
)
FORMATS: dict[str, Format] = {suffix: each for each in EVERY for suffix in each.suffixes}
WRITABLE = tuple(suffix for suffix, each in FORMATS.items() if each.write)
# The name of one of several files that a model's weights were divided into, as transformers does.
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.[a-z]+$")
# The names that a model has in a folder of transformers, the likeliest first.
IN_FOLDERS = (
    *("model.safetensors.index.json", "model.safetensors"),
    *("pytorch_model.bin.index.json", "pytorch_model.bin"),
)


def format_of(path: Path) -> Format:
    """The format of a file: that of its suffix, unless its first bytes are another's.

    Raises InvalidModel where neither tells.
    """
    start, named = reading.beginning(path), of_suffix(path)
    begun = [each for each in EVERY if each.begins and each.begins.match(start)]
    if named and (named.begins is None or named.begins.match(start) or not begun):
        return named
    if begun:
        return begun[0]
    with reading.refusing(path):
        if start:
            reading.need_no_pointer(start)
    raise InvalidModel(f"{printable(path)}: no known format; there are {', '.join(FORMATS)}")


def of_suffix(path: Path) -> Format | None:
    """The format of the longest suffix that is known."""
    fitting = [suffix for suffix in FORMATS if path.name.endswith(suffix)]
    return FORMATS[max(fitting, key=len)] if fitting else None


def file_of(path: Path) -> Path:
    """The file that holds a model: the one given, or that in a folder. Raises InvalidModel."""
    if not os.path.isdir(path):  # which tells of any name, however long
        return tensorflow_checkpoint.index_of(path) or path
    if index := tensorflow_checkpoint.index_in(path) or orbax_folder.metadata_in(path):
        return index
    inside = sorted(path.iterdir())
    usual = [path / name for name in IN_FOLDERS if path / name in inside]
    models = usual[:1] or [each for each in inside if of_suffix(each) and each.is_file()]
    if len(models) == 1:
        return models[0]
    there = ", ".join(each.name for each in models[: reading.FEW]) or "none"
    told = f"it is no regular file but a folder, which needs one model file or an index, and has {there}"
    raise InvalidModel(f"{printable(path)}: {printable(told)}")


def read_model(path: Path) -> list[RecurrentLayer]:
    """The recurrent layers of a model file that can be read. Raises InvalidModel where there are none."""
    return readable(found_in(path), printable(path))


def found_in(path: Path) -> list[Found]:
    """The recurrent layers of a model file, with a reason for each that cannot be read.

    Raises InvalidModel where there are none at all, or the file itself cannot be read.
    """
    path = file_of(path)
    if (shard := SHARD.search(path.name)) and int(shard[2]) > 1:
        told = f"is shard {int(shard[1])} of {int(shard[2])}, a part of a model"
        told = f"{told}: join them into one file, or name their index"
        raise InvalidModel(f"{printable(path)}: {told}")
    layers = [*format_of(path).read(path)]
    if not layers:
        raise InvalidModel(f"{printable(path)}: has no recurrent layers that can be read")
    return layers
