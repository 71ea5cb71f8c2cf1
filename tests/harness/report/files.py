"""Files of reports: the form is that of the suffix, and all of it is written or nothing."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.adapters.safe_files import behind_links, replacing
from rnn_lockstep.tests.harness.report.as_json import as_json
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.markdown import markdown
from rnn_lockstep.tests.harness.report.page import page

Forms = Mapping[str, Callable[[Content], str]]  # by suffix
FORMS: Forms = {".html": page, ".json": as_json, ".md": markdown}
NEEDS = {".html": ("jinja2", "matplotlib")}  # what is not in the core dependencies


def targets(paths: Iterable[str], folder: Path) -> list[Path]:
    """Check the paths of reports: absolute ones are returned, relative ones being in `folder`, each once.

    Raises pytest.UsageError, in one line, for one that could not be written at the end of the run.
    """
    found = {given: folder / given for given in paths}
    for given, path in found.items():
        if problem := problem_with(path):
            raise pytest.UsageError(f"--lockstep-report {printable(given)} {problem}")
    return list(found.values())


def problem_with(path: Path) -> str:
    """Tell why a report cannot be written to a path; empty when it can."""
    if path.suffix not in FORMS:
        return f"must end in one of {', '.join(FORMS)}"
    if missing := [module for module in NEEDS.get(path.suffix, ()) if find_spec(module) is None]:
        needed = " and ".join(missing)
        return f"needs {needed}, not installed: pip install 'rnn-lockstep[report]'"
    try:
        lost = cannot_write_in(behind_links(path).parent)
    except OSError as error:
        lost = in_one_line(error)
    return f"cannot be written: {lost}" if lost else ""


def cannot_write_in(folder: Path) -> str:
    """Tell why no file can be made in a folder; empty when one can, which is tried."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{printable(folder)}: {in_one_line(error)}"


def write(path: Path, content: Content, forms: Forms = FORMS) -> None:
    """Write a report in the form that its suffix says. Raises OSError, and leaves no half of a file."""
    text = forms[path.suffix](content)
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", errors="backslashreplace")  # of a name that is no text
