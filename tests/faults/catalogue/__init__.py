"""The faults, each of which the parity suite must catch: `--backend tests.faults.catalogue:NAME`.

Each known mistake is one, under its own name. Those that no known mistake expresses are written here.
"""

from rnn_lockstep.reference.diagnosis.mistakes import FAMILIES
from rnn_lockstep.reference.diagnosis.mistakes.gradients import GRADIENTS
from tests.faults.catalogue import (
    activation,
    drift,
    gradients,
    limits,
    memory,
    padding,
    precision,
    size,
    stacks,
    training,
    weights,
)
from tests.faults.catalogue.variants import VARIANTS
from tests.faults.faulty import Fault, planted, planted_gradients

MODULES = (weights, memory, activation, limits, precision, size, padding, stacks, gradients, training, drift)
MISTAKEN = [planted(name, family, m) for family, mistakes in FAMILIES.items() for name, m in mistakes.items()]
MISTAKEN_GRADIENTS = [planted_gradients(name, mistake) for name, mistake in GRADIENTS.items()]
WRITTEN = [fault for module in MODULES for fault in vars(module).values() if isinstance(fault, Fault)]
FAULTS = {fault.name: fault for fault in (*MISTAKEN, *VARIANTS, *MISTAKEN_GRADIENTS, *WRITTEN)}


def __getattr__(name: str) -> Fault:
    """Return the fault of a name, for `--backend`. Raises AttributeError where there is none."""
    if name not in FAULTS:
        raise AttributeError(f"no fault is called {name!r}: see tests.faults.catalogue.FAULTS")
    return FAULTS[name]
