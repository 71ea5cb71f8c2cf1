"""`.weights.h5` files: Keras 3's weights without a configuration."""

import io
from collections.abc import Sequence

from rnn_lockstep.adapters.models.files.hdf5 import need_h5py
from rnn_lockstep.adapters.models.files.keras_export import keras_layers, weights_file
from rnn_lockstep.adapters.models.files.keras_h5 import read
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer

__all__ = ["read", "write"]  # a suffix does not tell whose layout it is, so both are read alike


def write(layers: Sequence[RecurrentLayer], template: object = None) -> bytes:
    """A file that `load_weights` of the model in `keras_archive.write` takes. Raises InvalidModel."""
    return packed(keras_layers(layers))


def packed(stacks: Sequence[Sequence[RecurrentLayer]]) -> bytes:
    """The HDF5 file with the layers' variables."""
    need_h5py()
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for path, content in weights_file(stacks).items():
            if isinstance(content, str):
                root.require_group(path).attrs["name"] = content
                continue
            array = root.create_dataset(path, data=content)
            if content.dtype.name == "bfloat16":  # HDF5 has no such type
                array.attrs["dtype"] = "bfloat16"
    return file.getvalue()
