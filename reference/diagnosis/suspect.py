"""A wrong answer beside what known mistakes would have made in its place."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.comparison import Comparison, comparison_with_mistake
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.engine import PLAIN, Engine, carried, from_shown_states
from rnn_lockstep.reference.oracle.shown import with_error
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

SPREAD = 64  # by which what is only rounded is off by more in one unit, row or step than in another, at most
ALIKE = 0.5  # the correlation of how far two answers are off, from which they are off alike
FEW = 3  # elements of a unit, row or step that tell how far off it is


class Suspect:
    """A wrong answer `trace` to a case, by a backend with some arithmetic.

    Where there is a `time_limit`, what takes time raises TimeIsUp.
    """

    def __init__(self, case: Case, trace: Trace, arithmetic: Arithmetic) -> None:
        self.case = case
        self.trace = trace
        self.arithmetic = arithmetic
        self.from_shown = from_shown_states(case, trace, with_error(arithmetic))
        self.carried = carried(arithmetic)

    def comparisons(self, engine: Engine, *mistakes: Mistake) -> list[Comparison]:
        """Compare every array with what the mistakes make of it; no comparisons where they cannot be made."""
        need_time()
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
    def right_carried(self) -> list[Comparison]:
        """The same comparisons, with the state carried in place of the shown one."""
        return self.comparisons(self.carried)

    @property
    def wrong_at_half_the_steps(self) -> bool:
        """Tell whether the first wrong array is so at half its steps, or in half its rows, or more."""
        outside = next(each.outside for each in self.without_mistakes if each.outside.any())
        along = (0, 2) if outside.ndim == 3 else tuple(range(1, outside.ndim))
        return bool(2 * np.count_nonzero(outside.any(axis=along)) >= outside.any(axis=along).size)

    def is_explained_by(self, *mistakes: Mistake) -> bool:
        """Tell whether the mistakes, made together, explain all of the answer.

        Where a mistake hides the states, they are carried; but then the bounds must tell right from wrong.
        """
        if self.leaves_nothing_wrong(self.comparisons(self.from_shown, *mistakes)):
            return self.is_changed_by(*mistakes)
        if not any(mistake.hides_states for mistake in mistakes) or not count_wrong(self.right_carried):
            return False
        return self.leaves_nothing_wrong(self.comparisons(self.carried, *mistakes)) and self.is_changed_by(
            *mistakes
        )

    def is_changed_by(self, *mistakes: Mistake) -> bool:
        """Tell whether the mistakes change the answer: of some cases one only makes the bounds wider."""
        with np.errstate(all="ignore"):
            right, mistaken = (answer(made, self.case, PLAIN).arrays() for made in ((), mistakes))
        return any(
            not np.array_equal(mistaken[name], right[name], equal_nan=True) for name in self.trace.arrays()
        )

    def leaves_nothing_wrong(self, mistaken: Sequence[Comparison]) -> bool:
        """Tell whether a mistaken answer explains everything, by bounds that prove enough."""
        if not mistaken or count_wrong(mistaken):
            return False
        found = count_vacuous(mistaken)
        return found <= count_vacuous(self.without_mistakes) or found <= count_vacuous(self.right_carried)

    def is_explained_at(self, places: Array, axis: int, mistake: Mistake) -> bool:
        """Tell whether a mistake explains the outputs at some places of an axis, by bounds that prove enough.

        places: bools along the axis.
        """
        mistaken = self.comparisons(self.from_shown, mistake)[:1]
        there = [each.at(places, axis) for each in (*mistaken, self.without_mistakes[0])]
        return len(there) == 2 and not count_wrong(there[:1]) and there[0].vacuous <= there[1].vacuous

    def lies_within(self, arithmetic: Arithmetic) -> bool:
        """Tell whether the answer is right by the bounds of another arithmetic, most of which mean something.

        They do where they are no wider than they may be in an answer of that dtype.
        """
        compared = self.comparisons(from_shown_states(self.case, self.trace, with_error(arithmetic)))
        vacuous = sum(each.vacuous_in(arithmetic.dtype.name) for each in compared)
        mean_something = 2 * vacuous < sum(each.bound.size for each in compared)
        return mean_something and not count_wrong(compared)

    def is_off_like(self, other: "Suspect") -> bool:
        """Tell whether outputs are off as those of another case: by the same amounts in the same places.

        Where the cases have nearly the same numbers, a mistake is off so, and what is rounded is not.
        """
        mine, theirs = (suspect.without_mistakes[0] for suspect in (self, other))
        a, b = (each.observed.astype(np.float64) - each.expected for each in (mine, theirs))
        with np.errstate(all="ignore"):
            alike = float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
        return alike > ALIKE

    def looks_rounded_to(self, arithmetic: Arithmetic) -> bool:
        """Tell whether outputs are wrong, and off as by rounding in another arithmetic."""
        if not self.without_mistakes[0].outside.any():  # rounded in their own, they are off like that too
            return False
        compared = self.comparisons(from_shown_states(self.case, self.trace, with_error(arithmetic)))
        return bool(compared) and is_spread(compared[0]) and has_either_sign(compared[0])

    def mistaken_answer(self, *mistakes: Mistake) -> bytes:
        """What the mistaken answer shows, in the case's dtype; nothing where the mistaken case is none."""
        need_time()
        try:
            with np.errstate(all="ignore"):
                arrays = answer(mistakes, self.case, PLAIN).arrays()
        except ValueError:
            return b""
        shown = [arrays[name] for name in self.trace.arrays() if name in arrays]
        return b"".join(array.astype(self.case.dtype).tobytes() for array in shown)

    def unexplained(self, mistake: Mistake) -> int:
        """The number of elements that a mistake does not explain."""
        compared = self.comparisons(self.from_shown, mistake)
        return count_wrong(compared) if compared else count_wrong(self.without_mistakes) + 1


def is_spread(compared: Comparison) -> bool:
    """Tell whether outputs are off by about as much everywhere, as by rounding: in every unit, row and step.

    Nowhere are they off by less than a 64th of the most, in units of the bound. What is exact, such as
    zeros of a relu and padding, tells nothing, nor does what is saturated.
    """
    telling = (compared.expected != 0) & (compared.deviation > 0)
    if 2 * np.count_nonzero(telling) < np.count_nonzero(compared.expected):
        return False
    sizes = np.where(telling, compared.ratios, np.nan)
    axes = range(sizes.ndim)
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        enough = telling.sum(axis=others) >= FEW
        largest = np.nanmax(sizes, axis=others, initial=0.0)[enough]
        if largest.size and largest.min() * SPREAD < largest.max():
            return False
    return True


def has_either_sign(compared: Comparison) -> bool:
    """Tell whether outputs are too large about as often as too small, as by rounding to nearest."""
    off = np.sign(compared.observed.astype(np.float64) - compared.expected) * np.sign(compared.expected)
    off = off[off != 0]
    return not off.size or abs(float(np.mean(off))) < 0.3 + 2 / off.size**0.5


def count_wrong(compared: Sequence[Comparison]) -> int:
    """The number of elements outside their bounds."""
    return sum(int(np.count_nonzero(each.outside)) for each in compared)


def count_vacuous(compared: Sequence[Comparison]) -> int:
    """The number of bounds that prove nothing."""
    return sum(each.vacuous for each in compared)
