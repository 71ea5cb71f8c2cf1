"""Scheduling under pytest-xdist: the process that runs a test."""

from collections.abc import Sequence
from typing import Any

from xdist.scheduler import LoadScopeScheduling


class ByBackend(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A scheduler that sends all tests of a backend to one process, any other test to one that is free.

    backends: those that have a process of their own, the slowest last, which is sent first.
    """

    def __init__(self, config: Any, log: Any, backends: Sequence[str]) -> None:
        super().__init__(config, log)
        self.backends = backends

    def _split_scope(self, nodeid: str) -> str:
        """The backend's name, which comes first among the test's parameters, or the test itself."""
        parameters = nodeid.partition("[")[2].removesuffix("]")  # a name may have brackets itself
        for name in self.backends:
            if parameters == name or parameters.startswith(f"{name}-"):
                return name
        return nodeid

    def _assign_work_unit(self, node: Any) -> None:
        """Send a process the tests of the slowest backend that none has yet or, after these, another test."""
        slowest = next((name for name in reversed(self.backends) if name in self.workqueue), None)
        if slowest is not None:
            self.workqueue.move_to_end(slowest, last=False)
        super()._assign_work_unit(node)
