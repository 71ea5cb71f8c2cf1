"""Run pytest as a user does, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_pytest(*arguments: str, python_path: Path | str = "") -> subprocess.CompletedProcess[str]:
    """`pytest ARGUMENTS` from the top of the tree; few examples, always the same ones."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile=ci",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(python_path), "COLUMNS": "150"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
