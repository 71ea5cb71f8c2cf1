"""Checkpoints of orbax, each a folder with `_METADATA`, or several by their numbers in another folder.

orbax itself reads them, in a process of its own: `orbax_reader.py`. What it gives is a tree, as flax's and
haiku's parameters are.
"""

from importlib.util import find_spec
from pathlib import Path

from rnn_lockstep.adapters.models.files import apart, reading
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.tree import leaf_of, tree_of_names
from rnn_lockstep.adapters.models.files.tree_layers import layers_or_names
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel
from rnn_lockstep.adapters.one_line import printable

LIBRARY = apart.Library(
    "orbax",
    Path(__file__).with_name("orbax_reader.py"),
    {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"},
)
SECONDS, SECONDS_A_BYTE = 120.0, 1e-7
METADATA = "_METADATA"
# The names of the parameters among several parts of one checkpoint, the likeliest first.
PARTS = ("params", "default", "state", "model")


def read(path: Path) -> list[Found]:
    """The recurrent layers of the checkpoint whose `_METADATA` it is. Raises InvalidModel."""
    with reading.refusing(path):
        if find_spec("orbax") is None:
            raise InvalidModel("orbax, which reads it, is not installed: pip install orbax-checkpoint")
        reading.need_no_pointer(reading.beginning(path))
        size = sum(each.stat().st_size for each in path.parent.rglob("*") if each.is_file())
        seconds = SECONDS + SECONDS_A_BYTE * size
        arrays, _ = apart.read(LIBRARY, str(path.parent), str(size), seconds=seconds)
        return layers_or_names(tree_of_names({name: leaf_of(array) for name, array in arrays.items()}))


def metadata_in(folder: Path) -> Path | None:
    """The `_METADATA` of a checkpoint, of its parameters, or of the last in a folder; None where none is.

    Raises InvalidModel for several parts of which none is known to be the parameters.
    """
    if (folder / METADATA).is_file():
        return folder / METADATA
    steps = [
        each for each in folder.iterdir() if each.name.isdecimal() and len(each.name) < 19 and each.is_dir()
    ]
    if steps:
        folder = max(steps, key=lambda step: int(step.name))
    inside = [folder, *(each for each in sorted(folder.iterdir()) if each.is_dir())]
    parts = {each.name: each / METADATA for each in inside if (each / METADATA).is_file()}
    usual = [name for name in (folder.name, *PARTS) if name in parts] or [*parts]
    if len(usual) > 1 and usual[0] not in (folder.name, *PARTS):
        told = printable(f"it has several parts, and needs the folder of one: {', '.join(parts)}")
        raise InvalidModel(f"{printable(folder)}: {told}")
    return parts[usual[0]] if usual else None


FORMAT = Format((METADATA,), read, backend="jax")
