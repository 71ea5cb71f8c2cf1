"""What a library reads of a file, in a process of its own, which may crash or come to no end.

The process runs a script that writes safetensors: arrays by name, and in the metadata, as JSON, what else it
has to tell.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, deserialize

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.saved_cases.saved_case import array_of
from rnn_lockstep.reference.oracle.validation import Array

REFUSED = "it is no "  # begins the line that a script says where it cannot read a file
TOLD = "told"  # the metadata's name of what else there is


class Library(NamedTuple):
    """A library that reads files.

    name: as messages have it.  reader: the script.  environment: variables that it needs.
    """

    name: str
    reader: Path
    environment: Mapping[str, str]


def read(
    library: Library, *arguments: str, data: bytes = b"", seconds: float
) -> tuple[dict[str, Array], Any]:
    """The arrays by name, and what else the script tells. Raises InvalidModel, whatever the file is.

    data: what the script gets as standard input.  seconds: how long it may take.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(library.reader), *arguments],
            input=data,
            capture_output=True,
            timeout=seconds,
            env={**os.environ, **library.environment},
            check=False,
        )
    except subprocess.TimeoutExpired:
        told = f"{library.name} does not come to an end with it: it is damaged"
        raise InvalidModel(told) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = [line for line in lines if line.startswith(REFUSED)] or lines  # more may come as it ends
        raise InvalidModel(said[-1] if said else f"{library.name} crashes on it: it is damaged")
    try:
        size = int.from_bytes(done.stdout[:8], "little")
        told = json.loads(json.loads(done.stdout[8 : 8 + size])["__metadata__"][TOLD])
        tensors: list[tuple[str, Any]] = deserialize(done.stdout)  # type: ignore[no-untyped-call]
        named = sorted(tensors, key=lambda tensor: tensor[0])
        return {name: array_of(name, tensor) for name, tensor in named}, told
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise InvalidModel(f"what {library.name} reads in it makes no sense: {error}") from None
