"""Run pytest as a user does, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from rnn_lockstep.tests.harness.saving import NAME

ROOT = Path(__file__).parents[2]


def run_pytest(
    *arguments: str,
    python_path: Path | str = "",
    root: Path | None = None,
    folder: Path = ROOT,
    in_process: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run `pytest ARGUMENTS` from a folder, the top of the tree; few examples, always the same ones.

    root: the folder in whose .lockstep/ failing cases are saved; without it they are not.
    in_process: with `--in-process`, which is quicker where the test is not about processes.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile=ci",
        *(("-p", f"no:{NAME}") if root is None else ("--rootdir", str(root))),
        *(("--in-process",) if in_process else ()),
        *arguments,
    ]
    environment = as_a_user(PYTHONPATH=str(python_path), COLUMNS="150")
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def as_a_user(**variables: str) -> dict[str, str]:
    """The environment without the options of the run that this test is part of, its reports among them.

    Whatever folder a run is started in, Hypothesis leaves nothing there. What Python compiles is kept, as
    it is by default: a run that compiles all it imports takes half as long again to begin.
    """
    own = {
        "PYTEST_ADDOPTS": "",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return {**os.environ, **own, **variables}
