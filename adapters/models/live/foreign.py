"""Code of other people's: a user's modules and frameworks, whose warnings are no errors of a port."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def foreign_code() -> Iterator[None]:
    """Run code that is not ours: where warnings are errors, as under pytest, its are only shown."""
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield
