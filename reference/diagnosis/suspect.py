"""A wrong answer beside what known mistakes would have made in its place."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.comparison import Comparison, comparison_with_mistake
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.engine import PLAIN, Engine, carried, from_shown_states
from rnn_lockstep.reference.oracle.trace import Trace


class Suspect:
    """A wrong answer `trace` to a case, by a backend with some arithmetic."""

    def __init__(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        self.case = case
        self.trace = trace
        self.arithmetic = arithmetic
        self.from_shown = from_shown_states(case, trace, arithmetic)
        self.carried = carried(arithmetic)

    def comparisons(self, engine: Engine, *mistakes: Mistake) -> list[Comparison]:
        """Compare every array with what the mistakes make of it; no comparisons where they cannot be made."""
        try:
            with np.errstate(all="ignore"):
                expected = answer(mistakes, self.case, engine).arrays()
        except ValueError:  # the mistaken case is none
            return []
        observed = self.trace.arrays()
        if any(name not in expected or expected[name].shape != observed[name].shape for name in observed):
            return []
        return [
            comparison_with_mistake(
                name, observed[name], expected[name], self.case.bounded and name != "final_cell_state"
            )
            for name in observed
        ]

    @cached_property
    def without_mistakes(self) -> list[Comparison]:
        """The comparisons of every array with what it should be."""
        return self.comparisons(self.from_shown)

    @cached_property
    def allowed_vacuous(self) -> int:
        """The number of bounds around the right answer that prove nothing; a mistake may have as many."""
        return count_vacuous(self.without_mistakes)

    @property
    def wrong_at_half_the_steps(self) -> bool:
        """Tell whether the first wrong array is so at half its steps, or in half its rows, or more."""
        outside = next(each.outside for each in self.without_mistakes if each.outside.any())
        along = (0, 2) if outside.ndim == 3 else tuple(range(1, outside.ndim))
        return bool(2 * np.count_nonzero(outside.any(axis=along)) >= outside.any(axis=along).size)

    def is_explained_by(self, *mistakes: Mistake) -> bool:
        """Tell whether the mistakes, made together, explain all of the answer."""
        moves = any(mistake.moves for mistake in mistakes)
        for engine in (self.from_shown, self.carried) if moves else (self.from_shown,):
            compared = self.comparisons(engine, *mistakes)
            if compared and not count_wrong(compared) and count_vacuous(compared) <= self.allowed_vacuous:
                return True
        return False

    def lies_within(self, arithmetic: Arithmetic) -> bool:
        """Tell whether the answer is right by the bounds of another arithmetic, some of which are finite."""
        compared = self.comparisons(from_shown_states(self.case, self.trace, arithmetic))
        return not count_wrong(compared) and any(np.isfinite(each.bound).any() for each in compared)

    def mistaken_answer(self, mistake: Mistake) -> bytes:
        """The answer with a mistake, in the case's dtype, as bytes to compare."""
        with np.errstate(all="ignore"):
            arrays = answer((mistake,), self.case, PLAIN).arrays()
        return b"".join(array.astype(self.case.dtype).tobytes() for array in arrays.values())

    def unexplained(self, mistake: Mistake) -> int:
        """The number of elements that a mistake does not explain."""
        compared = self.comparisons(self.from_shown, mistake)
        return count_wrong(compared) if compared else count_wrong(self.without_mistakes) + 1


def count_wrong(compared: Sequence[Comparison]) -> int:
    """The number of elements outside their bounds."""
    return sum(int(np.count_nonzero(each.outside)) for each in compared)


def count_vacuous(compared: Sequence[Comparison]) -> int:
    """The number of bounds that prove nothing."""
    return sum(each.vacuous for each in compared)
