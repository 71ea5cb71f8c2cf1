"""Adapters: the framework backends with their contract and registry, models and their files, ports.

Importing this package imports no framework; an adapter imports its own when it is made.
"""

if __name__ != "rnn_lockstep.adapters":  # or else there would be two copies of everything
    raise ImportError("the import name is rnn_lockstep.adapters, not adapters")

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnn_lockstep.adapters.backends.compare import compare
from rnn_lockstep.adapters.backends.contract import Adapter, Facts, Refused
from rnn_lockstep.adapters.backends.registry import NotInstalled, UnknownBackend, find, known_backends, load
from rnn_lockstep.adapters.frameworks.runtimes import ONNX_RUNTIME
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace

if TYPE_CHECKING:
    from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
    from rnn_lockstep.adapters.port.lockstep import lockstep_check

# Imported when they are asked for: a backend in a process of its own needs no models and their packages.
LATER = {
    "InvalidModel": "models.recurrent_layer",
    "RecurrentLayer": "models.recurrent_layer",
    "lockstep_check": "port.lockstep",
}

__all__ = [
    "ONNX_RUNTIME",
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


def __getattr__(name: str) -> Any:
    """Import a name of `LATER`. Raises AttributeError for any other."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LATER[name]}"), name)
