"""The weights of a program that `torch.export.save` wrote (`.pt2`); the program itself is not looked at.

Since torch 2.7 an archive has each tensor's bytes as a member, and a text of what they are; before, it had a
state dict as `torch.save` writes it. Source: `torch.export.pt2_archive`, `torch._export.serde.schema`.
"""

import json
from typing import Any

from rnn_lockstep.adapters.models.files.archive import Archive
from rnn_lockstep.adapters.models.files.torch_pickle import ITEMSIZES, Storage, Tensor

CONFIG = "/data/weights/model_weights_config.json"
STATE_DICT = "serialized_state_dict.pt"
LARGEST_CONFIG = 2**26
# Kinds of storages by the numbers that the schema gives to dtypes.
KINDS = {
    **{1: "Byte", 2: "Char", 3: "Short", 4: "Int", 5: "Long", 6: "Half", 7: "Float", 8: "Double"},
    **{12: "Bool", 13: "BFloat16"},
}


def config_of(archive: Archive) -> str:
    """The name of the member that tells what the weights are; empty where there is none."""
    return next((name for name in archive.names if name.endswith(CONFIG)), "")


def weights_in(archive: Archive, config: str) -> dict[str, Tensor | None]:
    """The tensors by their names in the state dict; None for one of another kind. Raises ValueError."""
    text = archive.read(config)
    if len(text) > LARGEST_CONFIG:
        raise ValueError(f"{config} in it has {len(text)} bytes, needs at most {LARGEST_CONFIG}")
    try:
        found = json.loads(text)["config"]
        return {name: _tensor(archive, config, told) for name, told in found.items()}
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{config} in it does not tell what its weights are") from None


def _tensor(archive: Archive, config: str, told: Any) -> Tensor | None:
    """A tensor whose storage is the member beside the text. Raises KeyError or TypeError."""
    meta = told["tensor_meta"]
    kind, key = KINDS.get(meta["dtype"]), f"{config.rpartition('/')[0]}/{told['path_name']}"
    offset, *shape = (_size(n) for n in (meta["storage_offset"], *meta["sizes"]))
    strides = tuple(_size(n) for n in meta["strides"])
    if kind is None or told["use_pickle"] or key not in archive.names or not len(shape) == len(strides) <= 8:
        return None
    size = archive.zip.getinfo(key).file_size // ITEMSIZES[kind]
    return Tensor(Storage(kind, key, size), offset, tuple(shape), strides)


def _size(told: Any) -> int:
    """A number of elements, which is not negative."""
    size = told["as_int"]
    if type(size) is not int or size < 0:
        raise TypeError
    return size
