"""The sources and the packages that a worker needs where this project is not installed."""

from functools import cache
from pathlib import Path

from rnn_lockstep.adapters.backends.registry import known_backends

PACKAGE = "rnn_lockstep"
ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "reference/**/*.py",
    "adapters/__init__.py",
    "adapters/one_line.py",
    "adapters/backends/*.py",
    "adapters/frameworks/*.py",
    "adapters/workers/*.py",
)
PACKAGES = ("numpy", "scipy", "ml_dtypes")


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


def needs(backend: str) -> list[str]:
    """The packages that must be installed where a backend runs. backend: its name, without a place."""
    known = known_backends().get(backend)
    return [*PACKAGES, *(known.needs if known else ())]
