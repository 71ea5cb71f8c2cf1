"""Draft of a file of known failures, made of a run by `--write-known-failures` for someone to complete."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.tests.harness.session import Session

FOLDER = "known_failures"  # of the cases, beside the file


class Draft:
    """Hooks that write a file of known failures, of all that failed in this run."""

    def __init__(self, path: Path, session: Session) -> None:
        self.path, self.session = path, session
        self.said = ""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):  # a process of pytest-xdist's
            return
        groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for failure in self.session.failures:
            if failure["saved"] and not failure["claim"]:
                cell = failure["layer"].partition(" ")[0]
                groups.setdefault((failure["backend"], failure["cause"], cell), []).append(failure)
        left = len(self.session.failures) - sum(map(len, groups.values()))
        try:
            if groups:
                self.write(list(groups.values()), session.config.invocation_params.dir)
            self.said = f"{len(groups)} known failures drafted in {self.path}"
            self.said += f"; {left} depend on more than one case, and are not among them" if left else ""
        except OSError as error:
            self.said = f"known failures could not be drafted: {in_one_line(error)}"

    def write(self, groups: list[list[dict[str, Any]]], current: Path) -> None:
        """Write the file and, beside it, a case for each group of failures of one cause."""
        folder = self.path.parent / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for first, *_ in groups:
            shutil.copy(current / first["saved"], folder)
        write(self.path, "\n".join(entry(group) for group in groups).encode())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"lockstep: {self.said}")


def entry(group: list[dict[str, Any]]) -> str:
    """The draft of an entry for failures of one cause; JSON's strings and lists are TOML's too."""
    cell = group[0]["layer"].partition(" ")[0]
    dtypes = sorted({failure["layer"].partition(" ")[2] for failure in group})
    lines = {
        "backend": group[0]["backend"],
        "reason": group[0]["cause"],
        "link": "",
        "case": f"{FOLDER}/{Path(group[0]['saved']).name}",
    }
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())
    condition = f"condition = {{ cell = {json.dumps(cell)}, dtype = {json.dumps(dtypes)} }}"
    return f"[[known_failure]]\n{text}{condition}\n"
