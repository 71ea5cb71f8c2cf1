"""The known failures that are kept in `tests/known_failures`: they apply where no file is given."""

from collections.abc import Iterable
from pathlib import Path

from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure, read_entries

FOLDER = Path(__file__).parents[2] / "known_failures"
NONE = "none"  # for `--known-failures=none`


def kept(backends: Iterable[str]) -> list[KnownFailure]:
    """Read the entries of these backends. That of name:tag are in name-tag.toml, or else in name.toml.

    Those of a backend with a place, name@PLACE, are the same; which of them its version has is seen later.
    """
    found = []
    for name in dict.fromkeys(name.partition("@")[0] for name in backends):
        files = [FOLDER / f"{stem}.toml" for stem in (name.replace(":", "-"), name.partition(":")[0])]
        file = next((file for file in files if file.is_file()), None)
        if file:
            found += [entry for entry in read_entries(file) if entry.backend == name]
    return found
