"""How each framework is driven: one short file a framework, the contract and the registry.

Importing this package imports no framework; an adapter imports its own when it is made.
"""

from adapters.compare import compare
from adapters.contract import Adapter, Facts, Refused
from adapters.lockstep_check import lockstep_check
from adapters.model import InvalidModel, RecurrentLayer
from adapters.registry import NotInstalled, UnknownBackend, find, known_backends, load
from reference import Case, Cotangents, Trace

__all__ = [
    "Adapter",
    "Case",
    "Cotangents",
    "Facts",
    "InvalidModel",
    "NotInstalled",
    "RecurrentLayer",
    "Refused",
    "Trace",
    "UnknownBackend",
    "compare",
    "find",
    "known_backends",
    "load",
    "lockstep_check",
]
