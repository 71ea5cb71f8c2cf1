"""TensorFlow's checkpoints, `.index` with `.data-00000-of-00001` beside it, also of a SavedModel.

TensorFlow itself reads them, in a process of its own: `tensorflow_reader.py`. The names of variables are
those that the program gave them, or else the ways to them from the object that was saved.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.models.files import apart, reading
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.tree import leaf_of, tree_of_names
from rnn_lockstep.adapters.models.files.tree_layers import NAMED, layers_in
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel

LIBRARY = apart.Library(
    "TensorFlow",
    Path(__file__).with_name("tensorflow_reader.py"),
    {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
)
SECONDS, SECONDS_A_BYTE = 120.0, 1e-7
INDEX = ".index"
DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
# The text in a folder of checkpoints that tells the last of them.
LATEST, LATEST_NAME = "checkpoint", re.compile(r'^model_checkpoint_path: "([^"]{1,999})"$', re.M)
LONGEST_TEXT = 2**20
SAVED_MODEL = ("variables", "variables.index")


def read(path: Path) -> list[Found]:
    """The recurrent layers of a checkpoint. Raises InvalidModel."""
    with reading.refusing(path):
        if find_spec("tensorflow") is None:
            raise InvalidModel("tensorflow, which reads it, is not installed: pip install tensorflow")
        reading.need_no_pointer(reading.beginning(path))
        prefix = path.with_name(path.name.removesuffix(INDEX))
        parts = [each for each in path.parent.iterdir() if is_data_of(each, prefix)]
        if not parts:
            raise ValueError(f"it needs {prefix.name}.data-00000-of-00001 beside it, which has the numbers")
        for part in parts:
            reading.need_no_pointer(reading.beginning(part))
        size = sum(safe_files.size_of(part) for part in parts)
        seconds = SECONDS + SECONDS_A_BYTE * size
        arrays, shapes = apart.read(LIBRARY, str(prefix), str(size), seconds=seconds)
        unread = ValueError("it is no weight of a cell")
        leaves = {name: leaf_of(arrays.get(name, unread)) for name in shapes}
        layers = layers_in(tree_of_names(leaves), "/", NAMED)
        listed = {name: reading.Unread(tuple(shape)) for name, shape in shapes.items()}
        return reading.need_layers(layers, listed)


def is_data_of(path: Path, prefix: Path) -> bool:
    """Tell whether a file is one of those with a checkpoint's numbers."""
    match = DATA.search(path.name)
    return match is not None and path.name[: match.start()] == prefix.name


def index_of(path: Path) -> Path | None:
    """The index of a checkpoint that is named by its data or without its end; None for any other path."""
    match = DATA.search(path.name)
    index = path.with_name((path.name[: match.start()] if match else path.name) + INDEX)
    wanted = match or not os.path.exists(path)  # which tells of any name, however long
    return index if wanted and os.path.isfile(index) else None


def index_in(folder: Path) -> Path | None:
    """The index of a SavedModel's variables, or of the last checkpoint in a folder; None where none is."""
    saved = folder.joinpath(*SAVED_MODEL)
    if saved.is_file():
        return saved
    try:
        text = safe_files.read(folder / LATEST, LONGEST_TEXT).decode(errors="replace")
    except (OSError, ValueError):
        return None
    match = LATEST_NAME.search(text)
    last = folder / f"{Path(match[1]).name}{INDEX}" if match else None
    return last if last and last.is_file() else None


FORMAT = Format((INDEX,), read)
