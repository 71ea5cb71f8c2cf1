"""Weights that were divided into several files, with an index of what is where, as transformers does."""

import json
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.models.files import reading, safetensors_file, torch_file, torch_keys
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.recurrent_layer import Found

MOST_SHARDS = 1000
LARGEST_INDEX = 2**26


def read(path: Path) -> list[Found]:
    """The recurrent layers in the files that an index names, which lie beside it. Raises InvalidModel."""
    with reading.refusing(path):
        text = safe_files.read(path, LARGEST_INDEX)
        reading.need_no_pointer(text)
        index = json.loads(text)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise ValueError("it has no weight_map from names of weights to names of files")
        names = dict.fromkeys(places.values())
        if len(names) > MOST_SHARDS:
            raise ValueError(f"it names {len(names)} files, needs at most {MOST_SHARDS}")
        tensors: dict[str, Any] = {}
        for name in names:
            if Path(name).name != name or "\\" in name or name == "..":
                raise ValueError(f"it names {name!r}, which is no file in the same folder")
            tensors |= tensors_of(path.with_name(name))
        if missing := [key for key in places if torch_keys.is_recurrent(key) and key not in tensors]:
            raise ValueError(f"its {missing[0]} is not in {places[missing[0]]}")
        return torch_keys.layers_or_names(torch_keys.unwrapped(tensors))


def tensors_of(path: Path) -> dict[str, Any]:
    """The tensors in one of the files. Raises InvalidModel."""
    start = reading.beginning(path)
    with reading.refusing(path):
        in_torchs = torch_file.BEGINS.match(start)
        return torch_file.tensors(path) if in_torchs else safetensors_file.tensors(path)


FORMAT = Format((".index.json",), read, backend="torch")
