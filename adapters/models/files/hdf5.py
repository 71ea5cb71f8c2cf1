"""Arrays and texts of HDF5 files, read in a process of its own.

One flipped bit can make the HDF5 library crash, loop for ever or ask for all memory there is, so what it
reads is read by `adapters/models/files/hdf5_reader.py`, which is ended when it takes too long or too much.
"""

from pathlib import Path
from typing import NamedTuple

from rnn_lockstep.adapters.models.files import apart, reading
from rnn_lockstep.reference.oracle.validation import Array

READER = Path(__file__).with_name("hdf5_reader.py")
# What the reader may take: seconds, and more for each byte of the file.
SECONDS = 30.0
SECONDS_A_BYTE = 1e-7
# BLAS reserves memory for each of its threads, and needs none here; plugins are code from elsewhere.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
Texts = dict[str, str | list[str]]


class Contents(NamedTuple):
    """The contents of a file.

    arrays: the datasets of numbers by path, as "layers/lstm/cell/vars/0".
    attributes: by the path of their group ("" is the file), the attributes that are texts.
    """

    arrays: dict[str, Array]
    attributes: dict[str, Texts]

    def text(self, group: str, name: str) -> str:
        """An attribute that is one text, or "" where there is none."""
        value = self.attributes.get(group, {}).get(name, "")
        return value if isinstance(value, str) else ""

    def texts(self, group: str, name: str) -> list[str]:
        """An attribute that is a list of texts. Keras splits long ones: name0, name1, ..."""
        own = self.attributes.get(group, {})
        parts = [own[name]] if name in own else []
        while f"{name}{len(parts)}" in own and name not in own:
            parts.append(own[f"{name}{len(parts)}"])
        return [text for part in parts if isinstance(part, list) for text in part]


def contents(data: bytes) -> Contents:
    """The contents of a file's bytes, without an optimizer's. Raises InvalidModel, whatever the bytes are."""
    reading.need_package("h5py")
    library = apart.Library("the HDF5 library", READER, ENVIRONMENT)
    seconds = SECONDS + SECONDS_A_BYTE * len(data)
    return Contents(*apart.read(library, data=data, seconds=seconds))
