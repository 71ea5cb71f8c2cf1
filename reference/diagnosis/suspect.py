"""A wrong answer beside what known mistakes would have made in its place."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.comparison import Comparison, mistaken
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.engine import PLAIN, Engine, carried, from_shown_states
from rnn_lockstep.reference.oracle.trace import Trace


class Suspect:
    """A wrong answer `trace` to a case, of a backend with some arithmetic."""

    def __init__(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        self.case = case
        self.trace = trace
        self.arithmetic = arithmetic
        self.from_shown = from_shown_states(case, trace, arithmetic)
        self.carried = carried(arithmetic)

    def compared(self, engine: Engine, *mistakes: Mistake) -> list[Comparison]:
        """Every array beside what the mistakes make of it; none where they cannot be made."""
        try:
            with np.errstate(all="ignore"):
                expected = answer(mistakes, self.case, engine).arrays()
        except ValueError:  # the mistaken case is none
            return []
        observed = self.trace.arrays()
        if any(name not in expected or expected[name].shape != observed[name].shape for name in observed):
            return []
        return [
            mistaken(name, observed[name], expected[name], self.case.bounded and name != "final_cell_state")
            for name in observed
        ]

    @cached_property
    def right(self) -> list[Comparison]:
        """Every array beside what it should be."""
        return self.compared(self.from_shown)

    @cached_property
    def right_carried(self) -> list[Comparison]:
        """Every array beside what it should be, with the state carried in place of the shown one."""
        return self.compared(self.carried)

    @property
    def wrong_at_most_steps(self) -> bool:
        """Whether an array that is wrong is so at half its steps or more, or in half its rows."""
        outside = next(each.outside for each in self.right if each.outside.any())
        along = (0, 2) if outside.ndim == 3 else tuple(range(1, outside.ndim))
        return bool(2 * np.count_nonzero(outside.any(axis=along)) >= outside.any(axis=along).size)

    def fits(self, *mistakes: Mistake) -> bool:
        """Whether the mistakes explain all of it, by bounds that mean as much as those of the right answer.

        Where a mistake hides the states, they are carried; but then the bounds must tell right from wrong.
        """
        if self.explains(self.compared(self.from_shown, *mistakes)):
            return True
        if not any(mistake.hides_states for mistake in mistakes) or not wrong(self.right_carried):
            return False
        return self.explains(self.compared(self.carried, *mistakes))

    def explains(self, mistaken: Sequence[Comparison]) -> bool:
        """Whether nothing is wrong beside a mistaken answer, by bounds that mean enough."""
        if not mistaken or wrong(mistaken):
            return False
        found = vacuous(mistaken)
        return found <= vacuous(self.right) or found <= vacuous(self.right_carried)

    def within(self, arithmetic: Arithmetic) -> bool:
        """Whether it is right by the bounds of another arithmetic, which mean something."""
        compared = self.compared(from_shown_states(self.case, self.trace, arithmetic))
        return not wrong(compared) and any(np.isfinite(each.bound).any() for each in compared)

    def made(self, *mistakes: Mistake) -> bytes:
        """The mistaken answer in the case's dtype; nothing where the mistaken case is none."""
        try:
            with np.errstate(all="ignore"):
                arrays = answer(mistakes, self.case, PLAIN).arrays()
        except ValueError:
            return b""
        return b"".join(array.astype(self.case.dtype).tobytes() for array in arrays.values())

    def left(self, mistake: Mistake) -> int:
        """The number of elements that stay wrong with a mistake."""
        compared = self.compared(self.from_shown, mistake)
        return wrong(compared) if compared else wrong(self.right) + 1


def wrong(compared: Sequence[Comparison]) -> int:
    """The number of elements outside their bounds."""
    return sum(int(np.count_nonzero(each.outside)) for each in compared)


def vacuous(compared: Sequence[Comparison]) -> int:
    """The number of bounds that prove nothing."""
    return sum(each.vacuous for each in compared)
