"""Adapters: the framework backends with their contract and registry, models and their files, ports.

Importing this package imports no framework; an adapter imports its own when it is made.
"""

if __name__ != "rnn_lockstep.adapters":  # or else there would be two copies of everything
    raise ImportError("the import name is rnn_lockstep.adapters, not adapters")

from rnn_lockstep.adapters.backends.compare import compare
from rnn_lockstep.adapters.backends.contract import Adapter, Facts, Refused
from rnn_lockstep.adapters.backends.registry import NotInstalled, UnknownBackend, find, known_backends, load
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.check import lockstep_check
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace

__all__ = [
    "Adapter",
    "Case",
    "Cotangents",
    "Facts",
    "FunctionError",
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
