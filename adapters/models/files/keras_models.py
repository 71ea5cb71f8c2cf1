"""Files of whole models loaded by Keras, each layer as a model of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A model from the input to the output of each of the layers that were written to a file."""
    return parts_of(whole_model(path))


def whole_model(path: Path) -> Any:
    """The model in a file, as `keras.saving` loads it."""
    import keras

    return keras.saving.load_model(path, compile=False)


def parts_of(model: Any) -> list[Any]:
    """A model for each of a functional model's pairs of an input and an output."""
    import keras

    return [keras.Model(*ends) for ends in zip(model.inputs, model.outputs, strict=True)]
