"""Whole models in files: those that Keras loads, ONNX's and TFLite's, told by their content."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rnn_lockstep.adapters.models.files import keras_archive, keras_h5, onnx_file
from rnn_lockstep.adapters.models.files.table import file_of, format_of
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.one_line import printable, with_type
from rnn_lockstep.adapters.port.whole.onnx_model import OnnxModel
from rnn_lockstep.adapters.port.whole.tflite_model import TfliteModel, is_tflite


class NotLoaded(Exception):
    """A file of a whole model that its framework does not load. The message is one line."""


def model_in(path: Path) -> Any:
    """The live model of Keras, OnnxModel or TfliteModel in a file; None for any other file, and for weights.

    Raises NotLoaded, and InvalidModel for a file that cannot be read.
    """
    if is_tflite(path):
        return loaded("TFLite", path, TfliteModel)
    file = file_of(path)
    kind = format_of(file)
    if kind is onnx_file.FORMAT and not onnx_file.is_ours(file):
        return loaded("ONNX Runtime", file, OnnxModel)
    if kind is keras_archive.FORMAT:
        return loaded("Keras", file, lambda file: by_keras(file, ".keras"))
    if kind is keras_h5.FORMAT and keras_h5.config_in(file):
        return loaded("Keras", file, lambda file: by_keras(file, ".h5"))
    return None


def loaded(framework: str, path: Path, load: Callable[[Path], Any]) -> Any:
    """What a framework loads of a file. Raises NotLoaded, telling what to install where that is missing."""
    try:
        with foreign_code():
            return load(path)
    except ModuleNotFoundError as error:
        told = f"{error.name} is not installed: pip install {error.name}"
    except Exception as error:  # the framework's, whatever it is
        told = with_type(error)
    raise NotLoaded(f"{framework} cannot load {printable(path.name)}: {told}")


def by_keras(path: Path, suffix: str) -> Any:
    """The model in a file, which Keras takes by its suffix only."""
    keras = import_module("keras")
    if path.suffix in (".keras", ".h5", ".hdf5"):
        return keras.saving.load_model(path, compile=False)
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, Path(folder, f"model{suffix}")))
        return keras.saving.load_model(copy, compile=False)
