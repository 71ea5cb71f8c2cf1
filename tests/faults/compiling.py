"""The faults as backends that compile and are asked fewer forms: `--backend tests.faults.compiling:NAME`."""

from dataclasses import replace

from tests.faults import catalogue
from tests.faults.faulty import Fault


def __getattr__(name: str) -> Fault:
    """Return the fault of a name, for `--backend`. Raises AttributeError where there is none."""
    return replace(getattr(catalogue, name), compiles=True)
