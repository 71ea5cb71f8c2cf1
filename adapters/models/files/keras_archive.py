"""`.keras` archives: a zip file of the model's configuration and its weights."""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from struct import error as StructError  # noqa: N812
from typing import Any

from rnn_lockstep.adapters.models.files import hdf5, keras_variables
from rnn_lockstep.adapters.models.files.keras_config import class_and_config, described_layers
from rnn_lockstep.adapters.models.files.keras_export import KERAS_VERSION, keras_layers, model_config
from rnn_lockstep.adapters.models.files.keras_weights import packed
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.safe_files import in_one_line
from rnn_lockstep.adapters.safe_files import read as read_file

LARGEST_FILE = 2**31
LARGEST_TEXT = 2**26
WEIGHTS = "model.weights.h5"
# A member may be this many times as large as what is stored of it, and some more: Keras stores them as is.
EXPANSION = 64
SMALL = 2**20
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, StructError),
    *(LookupError, OSError, ValueError),
)


def read(path: Path) -> list[RecurrentLayer]:
    """The recurrent layers of a model that Keras 2.12 or later saved. Raises InvalidModel."""
    try:
        config, metadata, weights = members(read_file(path, LARGEST_FILE))
        return layers_of(json.loads(config), json.loads(metadata), weights)
    except RecursionError:
        raise InvalidModel(f"{path}: its configuration is nested too deeply") from None
    except BROKEN as error:
        raise InvalidModel(f"{path}: {in_one_line(error)}") from None


def layers_of(model: Any, metadata: Any, weights: bytes) -> list[RecurrentLayer]:
    if not isinstance(metadata, dict):
        raise InvalidModel("metadata.json is no JSON object")
    class_and_config(model)
    classes: dict[str, str] = {}
    keras2 = str(metadata.get("keras_version", "")).startswith("2")
    found = list(described_layers(model, keras2, classes))
    return keras_variables.described(found, hdf5.contents(weights), classes)


def members(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The configuration, the metadata and the weights. Nothing is written anywhere."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        config, metadata = (member(archive, name, LARGEST_TEXT) for name in ("config.json", "metadata.json"))
        return config, metadata, member(archive, WEIGHTS, LARGEST_FILE)


def member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """One of an archive's files. Raises ValueError for a zip bomb."""
    if name not in archive.namelist():
        raise ValueError(f"it has no {name}, so it is no model that Keras saved as one file")
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} in it is compressed in a way that is not read")
    if info.file_size > min(most, EXPANSION * info.compress_size + SMALL):
        raise ValueError(f"{name} in it has {info.file_size} bytes, more than such a file can hold")
    with archive.open(info) as file:
        return file.read(info.file_size)


def write(layers: Sequence[RecurrentLayer], template: object = None) -> bytes:
    """An archive that `keras.saving.load_model` loads: see keras_export. Raises InvalidModel."""
    stacks = keras_layers(layers)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (
            ("metadata.json", json.dumps({"keras_version": KERAS_VERSION}).encode()),
            ("config.json", json.dumps(model_config(stacks)).encode()),
            (WEIGHTS, packed(stacks)),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)  # of no date, so the same for the same layers
    return file.getvalue()
