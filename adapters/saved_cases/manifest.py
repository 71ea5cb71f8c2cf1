"""A folder of saved cases, with the list of what belongs to it.

manifest.json: {"format": 2, "features": ["simple_rnn", "gru", ...], "cases": [{"file":
"lstm-float32-0123456789ab.safetensors", "sha256": "...", "layer": "lstm/2layers", "dtype": "float32",
"gradients": false, "features": ["lstm", "float32", ...], "sizes": {"batch": 3, ...}}, ...]}
Format 1 had no features.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import read, write
from rnn_lockstep.adapters.saved_cases.saved_case import LARGEST_FILE, InvalidCase, SavedCase, load, unpack

MANIFEST = "manifest.json"
SUFFIX = ".safetensors"
FORMAT = 2
READABLE = (1, FORMAT)
LARGEST_MANIFEST = 2**26
SIZES = ("batch", "time", "input_size", "hidden_size", "layers", "directions")


def write_manifest(folder: Path, features: Mapping[str, Sequence[str]]) -> None:
    """List files that are saved cases, in this order. Raises OSError, or InvalidCase.

    features: by the name of a file, what a program must be able to do to answer its case.
    """
    cases = [entry_of(folder / name, words) for name, words in features.items()]
    every = list(dict.fromkeys(word for words in features.values() for word in words))
    content = {"format": FORMAT, "features": every, "cases": cases}
    write(folder / MANIFEST, json.dumps(content, indent=1).encode())


def entry_of(path: Path, features: Sequence[str]) -> dict[str, Any]:
    """The manifest's entry for a file."""
    data = read(path, LARGEST_FILE)
    saved = unpack(data)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "layer": saved.case.kind,
        "dtype": saved.case.dtype.name,
        "gradients": saved.cotangents is not None,
        "features": list(features),
        "sizes": {name: getattr(saved.case, name) for name in SIZES},
    }


def load_all(path: Path) -> dict[Path, SavedCase]:
    """The case in a file, or those in a folder: all that its manifest lists, or every *.safetensors.

    Raises InvalidCase for the first that is missing, is not what the manifest says, or cannot be read.
    """
    if not os.path.isdir(path):  # nor if its name is too long
        return {path: load(path)}
    if os.path.exists(path / MANIFEST):
        return {file: load(file, sha256=sha256) for file, sha256 in listed(path).items()}
    files = sorted(path.glob(f"*{SUFFIX}"))
    if not files:
        raise InvalidCase(f"{str(path)!r} has no saved cases: neither {MANIFEST} nor *{SUFFIX}")
    return {file: load(file) for file in files}


def listed(folder: Path) -> dict[Path, str]:
    """The SHA-256 of every file that the manifest lists. Raises InvalidCase."""
    try:
        content = json.loads(read(folder / MANIFEST, LARGEST_MANIFEST))
        return dict(listed_file(folder, case) for case in entries(content))
    except RecursionError:
        reason = "its JSON is nested too deeply"
    except (OSError, ValueError) as error:
        reason = in_one_line(error)
    raise InvalidCase(f"{str(folder / MANIFEST)!r} is not a manifest: {reason}")


def entries(content: Any) -> list[Any]:
    """The entries of a manifest. Raises ValueError where there are none."""
    if not isinstance(content, dict) or content.get("format") not in READABLE:
        raise ValueError(f"it needs an object of format {FORMAT}")
    cases = content.get("cases")
    if not isinstance(cases, list) or not cases:
        raise ValueError("it lists no cases")
    return cases


def listed_file(folder: Path, case: Any) -> tuple[Path, str]:
    """The file of an entry, which must lie in the folder itself, and its hash."""
    name, sha256 = (case.get("file"), case.get("sha256")) if isinstance(case, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(sha256, str):
        raise ValueError("an entry needs 'file' and 'sha256', two texts")
    file = folder / name
    if not name.endswith(SUFFIX) or "\\" in name or file.name != name or file.is_symlink():
        raise ValueError(f"{name!r} is not the name of a {SUFFIX} file in its folder")
    return file, sha256
