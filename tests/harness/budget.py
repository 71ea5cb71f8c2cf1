"""The time that a run has for examining its failures."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from rnn_lockstep.reference.oracle.time_limit import TimeIsUp, time_limit


@dataclass
class Budget:
    """Seconds for examining failures: for each of them at most, and for all of a run (in one process)."""

    each: float = 20.0
    whole: float = 180.0
    spent: float = 0.0

    @contextmanager
    def for_one(self) -> Iterator[None]:
        """Limit what is done inside to the time for one failure. Raises TimeIsUp where none is left."""
        if self.spent >= self.whole:
            raise TimeIsUp(f"the {self.whole:g} s for this run are used up")
        start = time.monotonic()
        try:
            with time_limit(min(self.each, self.whole - self.spent)):
                yield
        finally:
            self.spent += time.monotonic() - start


BUDGET = pytest.StashKey[Budget]()  # a run's, in its config
