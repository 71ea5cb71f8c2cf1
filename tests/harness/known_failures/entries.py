"""Entries of a file of known failures: each is a mistake of a backend, with a case that shows it."""

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from rnn_lockstep.adapters import Case, UnknownBackend, find
from rnn_lockstep.adapters.backends.registry import NotInstalled
from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.adapters.safe_files import read
from rnn_lockstep.adapters.saved_cases.saved_case import InvalidCase, SavedCase, load
from rnn_lockstep.reference.diagnosis.mistakes.mistake import zeros_in_padding
from rnn_lockstep.tests.harness.known_failures import symptoms

LARGEST = 2**20  # bytes of such a file
PARITY = Path(__file__).parents[2] / "parity"
# What a condition may ask of a case: a value, a list of values, or {min = 17, max = 64}. "shortest" is the
# number of steps that count in the row that has the fewest; "given_state" tells of an initial state;
# "largest" is the largest number, by its size, of all that count; "projected" tells of an LSTM's projection,
# "clipped" of a clip.
CONDITIONS = (
    *("cell", "activation", "recurrent_activation", "reset_after", "reverse", "merge_mode"),
    *("return_sequences", "padded", "dtype", "batch", "time", "input_size", "hidden_size"),
    *("layers", "directions", "shortest", "given_state", "largest", "projected"),
    *("clipped", "input_forget"),
)
KEYS = {
    **{"backend": str, "case": str, "reason": str, "link": str, "versions": str},
    **{"test": str, "condition": dict, "shows": dict},
}
NEEDED = ("backend", "case", "reason")


class InvalidKnownFailures(ValueError):
    """A file of known failures that is not what it should be. The message is one line: where, and why."""


@dataclass(frozen=True)
class KnownFailure:
    """A mistake of a backend that is known.

    saved: the case that pins it, from the file `case`.  reason, link: why it is known, and where from.
    versions: of the framework, those that have it, as in "<3.16" (PEP 440); empty for all.
    test: the name of the parity test in which it is excused; may have * in it.
    condition: which cases it is excused for, by the names of `CONDITIONS`.
    shows: how its failures look, by the names of `symptoms.SYMPTOMS`; empty for any failure of such a case.
    """

    backend: str
    case: str
    reason: str
    saved: SavedCase
    link: str = ""
    versions: str = ""
    test: str = "*"
    condition: Mapping[str, Any] = field(default_factory=dict)
    shows: Mapping[str, Any] = field(default_factory=dict)

    def is_of(self, name: str) -> bool:
        """Tell whether this is a mistake of the backend of this name, wherever it runs: name@PLACE too."""
        return self.backend in (name, name.partition("@")[0])

    def has(self, version: str) -> bool:
        """Tell whether this version of the framework has the mistake. version: as its facts give it.

        One that is no version by PEP 440, such as "unknown", has it only where all have.
        """
        try:
            return SpecifierSet(self.versions).contains((version.split() or [""])[0], prereleases=True)
        except InvalidVersion:
            return not self.versions

    def is_about(self, test: str, case: Case) -> bool:
        """Tell whether a failure of this case in this test may be the known one: `shows` says which is."""
        return fnmatchcase(test, self.test) and all(
            is_wanted(value_of(case, name), wanted) for name, wanted in self.condition.items()
        )

    def __str__(self) -> str:
        return printable(f"{self.reason} ({self.link})" if self.link else self.reason)


def value_of(case: Case, name: str) -> Any:
    """Give the value of a case that a condition of this name is about."""
    if name == "shortest":
        return int(case.valid.sum(axis=1).min(initial=case.time))
    if name == "given_state":
        return case.initial_state is not None
    if name == "projected":
        return case.projection is not None
    if name == "clipped":
        return case.clip is not None
    if name == "largest":
        sizes = (np.abs(array, dtype=np.float64) for array in zeros_in_padding(case).arrays().values())
        return max(float(size.max(initial=0.0)) for size in sizes)
    value = getattr(case, name)
    return value.name if name == "dtype" else value


def is_wanted(value: Any, wanted: Any) -> bool:
    """Tell whether a value is one of those that a condition asks for."""
    if isinstance(wanted, dict):
        return bool(wanted.get("min", value) <= value <= wanted.get("max", value))
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def read_entries(path: Path) -> list[KnownFailure]:
    """Read the entries of a file. Raises InvalidKnownFailures."""
    try:
        content = tomllib.loads(read(path, LARGEST).decode())
    except (OSError, ValueError) as error:
        raise InvalidKnownFailures(f"{path}: {in_one_line(error)}") from None
    entries = content.pop("known_failure", [])
    if content or not isinstance(entries, list) or not entries:
        raise InvalidKnownFailures(f"{path}: needs tables [[known_failure]], and has no others")
    found = []
    for k, entry in enumerate(entries, start=1):
        try:
            found += [read_entry(each, path.parent) for each in by_backend(entry)]
        except (InvalidCase, UnknownBackend, ValueError, TypeError) as error:
            raise InvalidKnownFailures(f"{path}, entry {k}: {in_one_line(error)}") from None
    return found


def by_backend(entry: Any) -> list[Any]:
    """The entry once for each of its backends; without one, as it must not be, where the list is empty."""
    if not isinstance(entry, dict) or not isinstance(names := entry.get("backend"), list):
        return [entry]
    return [entry | {"backend": name} for name in names] or [entry | {"backend": ""}]


def read_entry(entry: Any, folder: Path) -> KnownFailure:
    """Read one entry, a table. Raises ValueError, InvalidCase or UnknownBackend, with one line."""
    if not isinstance(entry, dict) or (wrong := [name for name in entry if name not in KEYS]):
        raise ValueError(f"has {', '.join(wrong)}; there are {', '.join(KEYS)}")
    for name in entry:
        if not isinstance(entry[name], KEYS[name]):
            raise ValueError(f"{name} must be a {'table' if KEYS[name] is dict else 'string'}")
    if missing := [name for name in NEEDED if not entry.get(name)]:
        raise ValueError(f"needs {', '.join(missing)}")
    if not {"test", "condition"} & entry.keys():
        raise ValueError("needs a test or a condition, or it would excuse everything")
    condition = entry.get("condition", {})
    if wrong := [name for name in condition if name not in CONDITIONS]:
        raise ValueError(f"no condition {', '.join(wrong)}; there are {', '.join(CONDITIONS)}")
    if wrong_symptom := symptoms.invalid(entry.get("shows", {})):
        raise ValueError(wrong_symptom)
    found = KnownFailure(**entry, saved=load(folder / entry["case"]))
    try:
        SpecifierSet(found.versions)
    except InvalidSpecifier:
        raise ValueError(f"versions is {found.versions!r}, needs a specifier such as '<3.16'") from None
    with suppress(NotInstalled):  # here, and perhaps not where it is tested
        find(found.backend)
    if not any(fnmatchcase(name, found.test) for name in parity_tests()):
        raise ValueError(f"no parity test is called {found.test}")
    if not all(is_wanted(value_of(found.saved.case, name), wanted) for name, wanted in condition.items()):
        raise ValueError(f"its condition does not hold for its own case, {found.saved.case}")
    return found


def parity_tests() -> list[str]:
    """List the names of all parity tests."""
    text = "".join(file.read_text() for file in sorted(PARITY.glob("test_*.py")))
    return re.findall(r"^def (test_\w+)", text, flags=re.MULTILINE)
