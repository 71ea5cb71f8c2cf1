"""The sources that a worker needs where this project is not installed."""

from functools import cache
from pathlib import Path

PACKAGE = "rnn_lockstep"
ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "reference/**/*.py",
    "adapters/__init__.py",
    "adapters/one_line.py",
    "adapters/backends/*.py",
    "adapters/workers/*.py",
)


@cache
def sources() -> dict[str, str]:
    """The text of every module that a worker may import, by the module's name."""
    found = {PACKAGE: ""}
    for pattern in NEEDED:
        for path in sorted(ROOT.glob(pattern)):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
            found[name] = path.read_text()
    return found
