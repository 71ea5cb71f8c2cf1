"""Misbehaviour: a backend that answers rightly and does one thing that it must not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Facts, Trace

# The tests of `tests/parity` that show a misbehaviour, as little as will do.
ONE_CASE = "test_notebook.py::test_the_notebook"
TWICE = "test_repeat.py::test_same_case_twice_gives_the_same_bits"
REPEATED = "test_repeat.py"
EVERY_STEP = "test_every_step.py::test_every_step"
WIDE = "test_every_step.py::test_sizes_on_boundaries"
GRADIENTS = "test_gradients.py::test_gradients"

Deed = Callable[..., Any]


@dataclass(frozen=True)
class Misbehaviour:
    """One misbehaviour. Calling it makes a backend that has it.

    told: texts that the run prints of it.  red: whether its tests must fail.
    saved: whether the case is saved. It is not where the backend cannot be made.
    slow: that it takes up to this many seconds a test, so that it is run by the benchmark only.
    tests: those that show it.
    """

    name: str
    make: Callable[[], Any]
    told: tuple[str, ...]
    red: bool
    saved: bool
    slow: float
    tests: str

    def __call__(self) -> Any:
        return self.make()


class Correct:
    """A simple RNN in NumPy, as an author of an adapter would write it."""

    facts = Facts("misbehaving", version="1.0", tanh_ulps={"float32": 2, "float64": 2})

    def run(self, case: Case) -> Trace:
        """The right answer."""
        activation = np.tanh if case.activation == "tanh" else lambda z: np.maximum(z, 0)
        h = case.h0.copy()
        outputs = np.empty((case.batch, case.time, case.hidden_size), case.dtype)
        for t in range(case.time):
            h = activation(case.inputs[:, t] @ case.W.T + h @ case.U.T + case.b)
            outputs[:, t] = h
        return Trace(outputs, final_state=h.copy())


class When(Correct):
    """Does something before each right answer, or in place of it."""

    def __init__(self, deed: Deed, answers: bool) -> None:
        self.deed, self.answers = deed, answers

    def run(self, case: Case) -> Any:
        """The right answer, or what the deed makes of it."""
        if self.answers:
            return self.deed(case, super().run(case))
        self.deed(case)
        return super().run(case)


def misbehaviour(
    *told: str, red: bool = True, saved: bool | None = None, slow: float = 0, tests: str = ONE_CASE
) -> Callable[[Callable[[], Any]], Misbehaviour]:
    """Make a misbehaviour of a class, or of what makes the backend."""
    saved = red if saved is None else saved
    return lambda make: Misbehaviour(make.__name__, make, told, red, saved, slow, tests)


def when_asked(*told: str, **options: Any) -> Callable[[Deed], Misbehaviour]:
    """Make a misbehaviour of `deed(case)`, done before each right answer."""
    return lambda deed: misbehaviour(*told, **options)(named(deed, lambda: When(deed, answers=False)))


def when_answering(*told: str, **options: Any) -> Callable[[Deed], Misbehaviour]:
    """Make a misbehaviour of `deed(case, right)`, whose result is the answer."""
    return lambda deed: misbehaviour(*told, **options)(named(deed, lambda: When(deed, answers=True)))


def when_made(*told: str, **options: Any) -> Callable[[Deed], Misbehaviour]:
    """Make a misbehaviour of `deed()`, done when the backend is made."""

    def of(deed: Deed) -> Misbehaviour:
        def make() -> Correct:
            deed()
            return Correct()

        return misbehaviour(*told, **options)(named(deed, make))

    return of


def declaring(*told: str, facts: Callable[[], Any], name: str, **options: Any) -> Misbehaviour:
    """Make a misbehaviour of facts that are not right."""

    def make() -> Correct:
        backend = Correct()
        backend.facts = facts()
        return backend

    make.__name__ = name
    return misbehaviour(*told, **options)(make)


def named(deed: Deed, make: Callable[[], Any]) -> Callable[[], Any]:
    """Give a maker the name of what it is made of."""
    make.__name__ = deed.__name__
    return make
