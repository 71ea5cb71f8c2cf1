"""Code of this project brought along, to an interpreter that does not have it. Imports only what any has."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any


class Brought(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """A finder and loader of modules whose source texts it has, by their names."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The specification of a module that was brought; None for any other."""
        return importlib.util.spec_from_loader(fullname, self) if fullname in self.sources else None

    def get_source(self, fullname: str) -> str:
        """The text of a module."""
        return self.sources[fullname]

    def get_filename(self, fullname: str) -> str:
        """The name by which tracebacks call a module's file."""
        return fullname.replace(".", "/") + ("/__init__.py" if self.is_package(fullname) else ".py")

    def is_package(self, fullname: str) -> bool:
        """Tell whether a module has others in it."""
        return any(name.startswith(f"{fullname}.") for name in self.sources)


def serve_brought(channel: Any) -> None:
    """Receive the modules and what else must be installed, and serve as any worker does."""
    backend, sources, needs = channel.receive()
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        cure = f"{sys.executable} -m pip install {' '.join(missing)}"
        reason = f"backend {backend} cannot be made: its Python has no {', '.join(missing)}: {cure}"
        channel.send(["unmade", "NotInstalled", reason])
        return
    sys.meta_path.insert(0, Brought(sources))
    from rnn_lockstep.adapters.workers.serve import serve

    serve(channel)
