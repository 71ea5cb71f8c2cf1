"""Scheduling under pytest-xdist: the process that runs a test."""

from collections.abc import Iterable, Sequence
from typing import Any

from xdist.scheduler import LoadScopeScheduling

from rnn_lockstep.adapters.backends.registry import BUILT_IN


def first_name(parameters: str, names: Iterable[str]) -> str:
    """The longest of some names that a test's parameters begin with; empty where they begin with none."""
    return max((n for n in names if f"{parameters}-".startswith(f"{n}-")), key=len, default="")


class ByBackend(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A scheduler that sends all tests of a backend to one process, any other test to one that is free.

    backends: those that are tested, the slowest last, which is sent first.  Tests in one file of another
    backend, which has a process of its own too, go together.
    """

    def __init__(self, config: Any, log: Any, backends: Sequence[str]) -> None:
        super().__init__(config, log)
        self.backends = backends

    def _split_scope(self, nodeid: str) -> str:
        """The backend's name, which comes first among the test's parameters, or the test itself."""
        file, _, parameters = nodeid.removesuffix("]").partition("[")  # a name may have brackets itself
        name = first_name(parameters, self.backends)
        if name or not (name := first_name(parameters, BUILT_IN)):
            return name or nodeid
        return f"{file.partition('::')[0]} {name}"

    def _assign_work_unit(self, node: Any) -> None:
        """Send a process the tests of the slowest backend that none has yet or, after these, another test."""
        slowest = next((name for name in reversed(self.backends) if name in self.workqueue), None)
        if slowest is not None:
            self.workqueue.move_to_end(slowest, last=False)
        super()._assign_work_unit(node)
