"""Draft of a file of known failures, made of a run by `--write-known-failures` for someone to complete."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.tests.harness.findings import FOUND
from rnn_lockstep.tests.harness.known_failures.shows import shown_by
from rnn_lockstep.tests.harness.saving import NAME
from rnn_lockstep.tests.harness.session import Session

FOLDER = "known_failures"  # of the cases, beside the file


class Draft:
    """Hooks that write a file of known failures, of all that failed in this run."""

    def __init__(self, path: Path, session: Session) -> None:
        self.path, self.session = path, session
        self.said = ""

    def pytest_runtest_makereport(self, item: pytest.Item) -> None:
        """Look for what a test's failures show. This comes when their causes have been looked for."""
        for failure in item.stash[FOUND]:
            failure.shows = shown_by(failure)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):  # a process of pytest-xdist's
            return
        groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        left: Counter[str] = Counter()
        for failure in self.session.failures:
            if failure["claim"]:
                left["that depend on more than one case"] += 1
            elif not failure["saved"]:
                left[f"whose case was not saved ({why_not_saved(session.config)})"] += 1
            else:
                cell = failure["layer"].partition(" ")[0]
                groups.setdefault((failure["backend"], failure["cause"], cell), []).append(failure)
        try:
            if groups:
                self.write(list(groups.values()), session.config.invocation_params.dir)
            self.said = f"{len(groups)} known failures drafted" + (f" in {self.path}" if groups else "")
        except OSError as error:
            self.said = f"known failures could not be drafted: {in_one_line(error)}"
        if left:
            self.said += f"; left out are {' and '.join(f'{n} {why}' for why, n in left.items())}"

    def write(self, groups: list[list[dict[str, Any]]], current: Path) -> None:
        """Write the file and, beside it, a case for each group of failures of one cause."""
        folder = self.path.parent / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for first, *_ in groups:
            shutil.copy(current / first["saved"], folder)
        write(self.path, "\n".join(entry(group) for group in groups).encode())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"lockstep: {self.said}")


def why_not_saved(config: pytest.Config) -> str:
    """Tell why cases of a run were not saved."""
    saving = config.pluginmanager.getplugin(NAME)
    return printable("; ".join(saving.lost)) if saving else "saving is turned off"


def entry(group: list[dict[str, Any]]) -> str:
    """The draft of an entry for failures of one cause; JSON's strings and lists are TOML's too."""
    cell = group[0]["layer"].partition(" ")[0]
    dtypes = sorted({failure["layer"].partition(" ")[2] for failure in group})
    lines = {
        "backend": group[0]["backend"],
        "reason": printable(group[0]["cause"]),  # in ASCII, whose escapes in JSON are TOML's
        "link": "",
        "case": f"{FOLDER}/{Path(group[0]['saved']).name}",
    }
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())
    condition = f"condition = {{ cell = {json.dumps(cell)}, dtype = {json.dumps(dtypes)} }}"
    return f"[[known_failure]]\n{text}{condition}\n{shows_in_words(group)}\n"


def shows_in_words(group: list[dict[str, Any]]) -> str:
    """The line of an entry for what failures show: the same for all of them, or for someone to find."""
    first, *others = (failure["shows"] for failure in group)
    if not first or any(other != first for other in others):
        return "# without shows: whatever is wrong with such a case is excused"
    [(name, value)] = first.items()
    return f"shows = {{ {name} = {json.dumps(value)} }}"
