"""Archives `.keras`: a zip file of the model's configuration and its weights."""

import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.files import hdf5, keras_models, keras_variables, reading
from rnn_lockstep.adapters.models.files.archive import Archive
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.keras_config import (
    Classes,
    class_and_config,
    has_others,
    layer_configs,
)
from rnn_lockstep.adapters.models.files.keras_export import (
    KERAS_VERSION,
    keras_layers,
    model_config,
    weights_file,
)
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer

LARGEST_TEXT = 2**26
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def read(path: Path) -> list[Found]:
    """The recurrent layers of a model that Keras 2.12 or later saved. Raises InvalidModel."""
    with reading.refusing(path):
        archive = Archive(reading.contents(path), compressed=True)
        for name in (CONFIG, METADATA, WEIGHTS):
            if name not in archive.names:
                raise ValueError(f"it has no {name}, so it is no model that Keras saved as one file")
        return layers_of(json_in(archive, CONFIG), json_in(archive, METADATA), archive.read(WEIGHTS))


def around(path: Path) -> bool:
    """Tell whether a model has layers beside its recurrent ones. Raises InvalidModel."""
    with reading.refusing(path):
        return has_others(json_in(Archive(reading.contents(path), compressed=True), CONFIG))


def json_in(archive: Archive, name: str) -> Any:
    """The contents of a text in an archive. Raises ValueError where it is too long, or no JSON."""
    text = archive.read(name)
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"{name} in it has {len(text)} bytes, needs at most {LARGEST_TEXT}")
    return json.loads(text)


def layers_of(model: Any, metadata: Any, weights: bytes) -> list[Found]:
    """The layers that a model's configuration describes, with their weights. Raises InvalidModel.

    model, metadata: the contents of config.json and metadata.json.  weights: an HDF5 file's bytes.
    """
    if not isinstance(metadata, dict):
        raise InvalidModel("metadata.json is no JSON object")
    class_and_config(model)
    classes: Classes = {}
    keras2 = str(metadata.get("keras_version", "")).startswith("2")
    found = list(layer_configs(model, keras2, classes))
    file = hdf5.contents(weights)
    return reading.need_layers(keras_variables.with_weights(found, file, classes), file.arrays)


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """An archive that `keras.saving.load_model` loads: see keras_export. Raises InvalidModel."""
    stacks = keras_layers(layers)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (
            (METADATA, json.dumps({"keras_version": KERAS_VERSION}).encode()),
            (CONFIG, json.dumps(model_config(stacks)).encode()),
            (WEIGHTS, weights_file(stacks)),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)  # of no date, so the same for the same layers
    return file.getvalue()


FORMAT = Format(
    (".keras",),
    read,
    write,
    begins=re.compile(rb"PK\x03\x04.{26}(metadata|config)\.json", re.S),
    around=around,
    backend="keras",
    framework="keras",
    load=keras_models.load,
)
