"""A limit on the time that evaluations take, for whoever cannot wait: they give up between two steps.

    with time_limit(20.0):
        check(case, trace, arithmetic)  # raises TimeIsUp after 20 seconds

The limit holds for all that is called inside, however deep. Nothing is interrupted: what takes long asks
`need_time` again and again.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class TimeIsUp(Exception):
    """The time for something is over. The message says how much it was: "20 s were over"."""


class Limit(NamedTuple):
    """So many seconds, which end at a time of `time.monotonic`."""

    seconds: float
    end: float


FOREVER = Limit(math.inf, math.inf)
LIMIT = ContextVar("limit", default=FOREVER)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Give what is done inside so many seconds, or what is left of a limit around it."""
    own = Limit(seconds, time.monotonic() + seconds)
    token = LIMIT.set(min(own, LIMIT.get(), key=lambda limit: limit.end))
    try:
        yield
    finally:
        LIMIT.reset(token)


def time_left() -> float:
    """The seconds that are left, infinite without a limit and never negative."""
    end = LIMIT.get().end
    return end if end == math.inf else max(0.0, end - time.monotonic())


def need_time() -> None:
    """Raise TimeIsUp where the time is over."""
    if not time_left():
        raise TimeIsUp(f"{LIMIT.get().seconds:.3g} s were over")
