"""Scheduling under pytest-xdist: the process that runs a test."""

from collections.abc import Collection
from typing import Any

from xdist.scheduler import LoadScopeScheduling


class ByBackend(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A scheduler that sends all tests of a backend to one process, any other test to one that is free."""

    def __init__(self, config: Any, log: Any, backends: Collection[str]) -> None:
        super().__init__(config, log)
        self.backends = backends

    def _split_scope(self, nodeid: str) -> str:
        """The backend's name, which comes first among the test's parameters, or the test itself."""
        parameters = nodeid.partition("[")[2].removesuffix("]")  # a name may have brackets itself
        for name in self.backends:
            if parameters == name or parameters.startswith(f"{name}-"):
                return name
        return nodeid
