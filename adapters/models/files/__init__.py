"""Model files by their suffix: one module a format, each with `read` and, where it makes sense, `write`.

`read(path) -> list[RecurrentLayer]` imports no framework and runs nothing that the file contains;
`write(layers, template) -> bytes`. Both raise `adapters.models.recurrent_layer.InvalidModel` with one line.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer

# By suffix, the longest first; the modules are imported when they are needed.
FORMATS = {
    ".weights.h5": "keras_weights",
    ".h5": "keras_h5",
    ".hdf5": "keras_h5",
    ".keras": "keras_archive",
    ".pt": "torch_file",
    ".pth": "torch_file",
    ".safetensors": "safetensors_file",
    ".npz": "npz",
    ".onnx": "onnx_file",
    ".msgpack": "flax_msgpack",
}


def format_of(path: Path) -> ModuleType:
    """The module that reads and writes a file's format. Raises InvalidModel when there is none."""
    for suffix, name in FORMATS.items():
        if path.name.endswith(suffix):
            return import_module(f"rnn_lockstep.adapters.models.files.{name}")
    raise InvalidModel(f"{path}: no known format; there are {', '.join(FORMATS)}")


def read_model(path: Path) -> list[RecurrentLayer]:
    """The recurrent layers of a model file. Raises InvalidModel."""
    layers: list[RecurrentLayer] = format_of(path).read(path)
    if not layers:
        raise InvalidModel(f"{path}: has no recurrent layers that can be read")
    return layers
