"""Files of reports: the form is that of the suffix, and all of it is written or nothing."""

import os
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnn_lockstep.tests.harness.report.as_json import as_json
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.markdown import markdown
from rnn_lockstep.tests.harness.report.page import page

FORMS: dict[str, Callable[[Content], str]] = {".html": page, ".json": as_json, ".md": markdown}
NEEDS = {".html": ("jinja2", "matplotlib")}  # what is not in the core dependencies


def targets(paths: Iterable[str], folder: Path) -> list[Path]:
    """Check the paths of reports: absolute ones are returned, relative ones being in `folder`, each once.

    Raises pytest.UsageError, in one line, for one that could not be written at the end of the run.
    """
    found = []
    for given in dict.fromkeys(paths):
        path = folder / given
        if path.suffix not in FORMS:
            problem = f"must end in one of {', '.join(FORMS)}"
        elif path.is_dir():
            problem = "is a folder, needs a file's name"
        elif missing := [module for module in NEEDS.get(path.suffix, ()) if find_spec(module) is None]:
            needed = " and ".join(missing)
            problem = f"needs {needed}, not installed: pip install 'rnn-lockstep[report]'"
        elif error := cannot_write_in(path.parent):
            problem = f"cannot be written: {error}"
        else:
            found.append(path)
            continue
        raise pytest.UsageError(f"--lockstep-report {given} {problem}")
    return found


def cannot_write_in(folder: Path) -> str:
    """Tell why no file can be made in a folder; empty when one can, which is tried."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def write(path: Path, content: Content) -> None:
    """Write a report in the form that its suffix says. Raises OSError, and leaves no half of a file."""
    text = FORMS[path.suffix](content)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o666 & ~umask())
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


def umask() -> int:
    """Read the process's mask for the rights of new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
