"""A wrong answer beside what known mistakes would have made in its place."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.check.comparison import Comparison
from rnn_lockstep.reference.check.machine import Forced, Free, Plain
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array


class Suspect:
    """A wrong answer, with what the mistakes would have made in its place."""

    def __init__(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        self.case = case
        self.trace = trace
        self.machines = (Forced(arithmetic, case, trace), Free(arithmetic))

    def judged(self, machine: Plain, *mistakes: Mistake) -> list[Comparison]:
        """Every array beside what the mistakes make of it; none where they cannot be made."""
        try:
            with np.errstate(all="ignore"):
                expected = answer(mistakes, self.case, machine).arrays()
        except ValueError:  # the mistaken case is none
            return []
        observed = self.trace.arrays()
        if any(name not in expected or expected[name].shape != observed[name].shape for name in observed):
            return []
        return [
            compared(name, observed[name], expected[name], self.case.bounded and name != "final_cell_state")
            for name in observed
        ]

    @cached_property
    def right(self) -> list[Comparison]:
        """Every array beside what it should be."""
        return self.judged(self.machines[0])

    @cached_property
    def allowed(self) -> int:
        """How many bounds mean nothing, in the right answer too."""
        return vacuous(self.right)

    def fits(self, *mistakes: Mistake) -> bool:
        """Whether the mistakes explain all of it."""
        forced, free = self.machines
        for machine in (forced, free) if any(mistake.hides_states for mistake in mistakes) else (forced,):
            compared = self.judged(machine, *mistakes)
            if compared and not wrong(compared) and vacuous(compared) <= self.allowed:
                return True
        return False

    def within(self, arithmetic: Arithmetic) -> bool:
        """Whether it is right by the bounds of another arithmetic, which mean something."""
        compared = self.judged(Forced(arithmetic, self.case, self.trace))
        return not wrong(compared) and any(np.isfinite(each.bound).any() for each in compared)

    def made(self, mistake: Mistake) -> bytes:
        """The mistaken answer in the case's dtype."""
        with np.errstate(all="ignore"):
            arrays = answer((mistake,), self.case, Plain()).arrays()
        return b"".join(array.astype(self.case.dtype).tobytes() for array in arrays.values())

    def left(self, mistake: Mistake) -> int:
        """How many elements stay wrong with a mistake."""
        compared = self.judged(self.machines[0], mistake)
        return wrong(compared) if compared else wrong(self.right) + 1


def compared(name: str, observed: Array, expected: Array | Rounded, bounded: bool) -> Comparison:
    """The comparison with a mistaken answer, which must be NaN just where the observed is."""
    exact = (
        expected.closed() if isinstance(expected, Rounded) else Rounded(expected, Arithmetic(observed.dtype))
    )
    value, error = exact.value, exact.error
    bound = np.where(np.isnan(value), 0.0, np.broadcast_to(error, value.shape))
    return Comparison(name, observed, value, bound, bounded)


def wrong(compared: Sequence[Comparison]) -> int:
    return sum(int(np.count_nonzero(each.outside)) for each in compared)


def vacuous(compared: Sequence[Comparison]) -> int:
    return sum(each.vacuous for each in compared)
