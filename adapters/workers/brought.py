"""Code of this project brought along, to an interpreter that does not have it. Imports only what any has."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Mapping, Sequence


class Brought(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
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

    def is_package(self, fullname: str) -> bool:
        """Tell whether a module has others in it."""
        return any(name.startswith(f"{fullname}.") for name in self.sources)


def install(sources: Mapping[str, str]) -> None:
    """Let these modules be imported, before any others of their names."""
    sys.meta_path.insert(0, Brought(sources))
