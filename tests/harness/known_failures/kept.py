"""The known failures that are kept in `tests/known_failures`: they apply where no file is given."""

from collections.abc import Iterable
from pathlib import Path

from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure, read_entries

FOLDER = Path(__file__).parents[2] / "known_failures"
NONE = "none"  # for `--known-failures=none`


def kept(backends: Iterable[str]) -> list[KnownFailure]:
    """Read the entries of these backends. That of name:tag are in name-tag.toml, or else in name.toml.

    A backend with a place, name@PLACE, has none: it may be another version.
    """
    found = []
    for name in backends:
        files = [FOLDER / f"{stem}.toml" for stem in (name.replace(":", "-"), name.partition(":")[0])]
        file = next((file for file in files if file.is_file()), None)
        if file and "@" not in name:
            found += [entry for entry in read_entries(file) if entry.backend == name]
    return found
