"""Backends that misbehave, each in one way: `--backend tests.faults.misbehaving:NAME`.

None may take a run down, hang it or make it green. Each is a correct NumPy backend otherwise.
"""

from tests.faults.misbehaving import chance, conduct, ends, forms, hangs, moments, texts
from tests.faults.misbehaving.misbehaviour import Misbehaviour

MODULES = (ends, hangs, texts, forms, conduct, chance, moments)
WRITTEN = [one for module in MODULES for one in vars(module).values() if isinstance(one, Misbehaviour)]
MISBEHAVIOURS = {one.name: one for one in (*WRITTEN, *forms.FACTS, *conduct.MUTATING)}


def __getattr__(name: str) -> Misbehaviour:
    """Return the misbehaviour of a name. Raises AttributeError where there is none."""
    if name not in MISBEHAVIOURS:
        raise AttributeError(f"nothing misbehaves as {name!r}: see tests.faults.misbehaving.MISBEHAVIOURS")
    return MISBEHAVIOURS[name]
