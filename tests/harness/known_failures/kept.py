"""The known failures that are kept in `tests/known_failures`: they apply where no file is given."""

import re
from collections.abc import Iterable
from pathlib import Path

from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure, read_entries

FOLDER = Path(__file__).parents[2] / "known_failures"
NONE = "none"  # for `--known-failures=none`


def kept(backends: Iterable[str]) -> list[KnownFailure]:
    """Read the entries of these backends, each from the file with the longest name that fits it.

    Those of name:tag-option are in name-tag-option.toml, or else in name-tag.toml, or in name.toml.
    Those of a backend with a place, name@PLACE, are the same; which of them its version has is seen later.
    """
    found = []
    for name in dict.fromkeys(name.partition("@")[0] for name in backends):
        parts = re.split("[:-]", name)
        files = [FOLDER / f"{'-'.join(parts[:k])}.toml" for k in range(len(parts), 0, -1)]
        file = next((file for file in files if file.is_file()), None)
        if file:
            found += [entry for entry in read_entries(file) if entry.backend == name]
    return found
