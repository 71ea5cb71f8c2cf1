"""Files `.weights.h5`: Keras 3's weights without a configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.files import keras_archive, keras_h5
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.keras_export import keras_layers, weights_file
from rnn_lockstep.adapters.models.files.keras_models import parts_of, whole_model
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """A file that `load_weights` of the model in `keras_archive.write` takes. Raises InvalidModel."""
    return weights_file(keras_layers(layers))


def load(path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
    """A Keras model of each layer in a file, loaded into the model that goes with it, all of zeros before."""
    import keras

    whole = path.with_name(f"{path.name}.keras")
    try:
        whole.write_bytes(keras_archive.write(layers))
        model = whole_model(whole)
    finally:
        whole.unlink(missing_ok=True)
    for variable in model.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.load_weights(path)
    return parts_of(model)


# A suffix does not tell whether the layout is Keras 2's or 3's, so both are read alike.
FORMAT = Format((".weights.h5",), keras_h5.read, write, framework="keras", load=load)
