"""A survey: with which sizes a backend is wrong, and with which it is right.

A case is asked again with one size changed at a time, and nothing else that matters. What is said is what was
seen: a rule is said where it separates the sizes that are wrong from those that are right, all of them.
"""

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache

from rnn_lockstep.reference import Case
from rnn_lockstep.reference.diagnosis.probe import SIZES, STEPS, of_sizes, rows_needed
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp, time_left, time_limit

Ask = Callable[[Case], float | None]  # how far off the answer is, in bounds; None where that is not known
AskSizes = Callable[..., float | None]  # the same of a case by its seed and sizes

FIRST = (1, 2, 3, 4, 5, 8, 16, 33, 65, 129, 257)  # where none of them is right, no more are asked
ASKED = (*range(1, 14), 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129, 200, 257)
SEEDS = 2  # cases of each size, which must all be wrong or all be right
MORE_SEEDS = 16  # the same, of a few sizes
FEWEST, ENOUGH = 3, 5  # sizes on the one side and on the other
MOST = 5_000_000  # products in a case
ORDER = ("time", "hidden_size", "batch", "input_size")  # the likeliest first
SHARE = 0.3  # of the time that is left, for a survey
APART = 4  # times further off are all wrong answers than all right ones; otherwise it is the bound that grows

# The rules by which sizes may be wrong, the simplest first.
RULES: dict[str, Callable[[int], bool]] = {
    "odd": lambda n: n % 2 == 1,
    "even": lambda n: n % 2 == 0,
    "a power of two": lambda n: n & (n - 1) == 0,
    "no power of two": lambda n: n & (n - 1) != 0,
    **{f"a multiple of {k}": lambda n, k=k: n % k == 0 for k in (3, 4, 5, 8, 16, 32)},  # type: ignore[misc]
    **{f"no multiple of {k}": lambda n, k=k: n % k != 0 for k in (3, 4, 5, 8, 16, 32)},  # type: ignore[misc]
    "a multiple of 2 but not of 4": lambda n: n % 4 == 2,
    "one more than a multiple of 4": lambda n: n % 4 == 1,
    "one more than a multiple of 8": lambda n: n % 8 == 1,
}


@dataclass
class Survey:
    """The sizes of one name that were asked: how far off the answers are, in bounds, by the size.

    A size is in both where some answers are wrong and some are right.
    """

    name: str
    wrong: dict[int, float] = field(default_factory=dict)
    right: dict[int, float] = field(default_factory=dict)

    def ask(self, case: Case, size: int, ask: AskSizes, seeds: Iterable[int] = range(SEEDS)) -> None:
        """Ask cases that have this size, none that take long."""
        sizes = {name: getattr(case, name) for name in SIZES} | {self.name: size}
        if work(**sizes) * (1 + len(case.more_weights)) > MOST:
            return
        for seed in seeds:
            ratio = ask(seed, **sizes)
            if ratio is None:
                continue
            if ratio > 1:
                self.wrong[size] = min(ratio, self.wrong.get(size, ratio))
            else:
                self.right[size] = max(ratio, self.right.get(size, ratio))

    @property
    def tells(self) -> bool:
        """Tell whether it is the size that makes the difference."""
        if not self.wrong or not self.right or self.wrong.keys() & self.right.keys():
            return False
        return min(self.wrong.values()) > APART * max(self.right.values())

    @property
    def over_1(self) -> set[int]:
        """The right sizes over 1."""
        return set(self.right) - {1}

    @property
    def rule(self) -> str:
        """The simplest rule that separates all wrong sizes from all right ones; empty where there is none.

        With a size of 1 there may be nothing to see: of one step, or one unit. So it alone is no exception.
        """
        right = self.over_1
        few, many = sorted((len(self.wrong), len(right)))
        if not self.tells or not few or few + many < FEWEST + ENOUGH:
            return ""
        if max(right) < min(self.wrong):
            return f"over {max(right)}"
        if max(self.wrong) < min(right):
            return f"up to {max(self.wrong)}" if max(self.wrong) > 1 else "1"
        if few < FEWEST:
            return " or ".join(map(str, sorted(self.wrong))) if len(self.wrong) == few else ""
        for words, holds in RULES.items():
            if all(map(holds, self.wrong)) and not any(map(holds, right)):
                return words
        return ""

    @property
    def between(self) -> int | None:
        """A size halfway between the wrong and the right ones, where one side is over the other."""
        for below, above in ((self.right, self.wrong), (self.wrong, self.right)):
            if below and above and max(below) < min(above) - 1:
                return (max(below) + min(above)) // 2
        return None

    def __str__(self) -> str:
        return f"{self.name}: wrong with {listed(self.wrong)}; right with {listed(self.right)}"


def listed(sizes: Iterable[int]) -> str:
    """Name the sizes, the smallest first."""
    shown = sorted(sizes)
    return ", ".join(map(str, shown[:16])) + (f" and {len(shown) - 16} more" if len(shown) > 16 else "")


def work(batch: int, time: int, input_size: int, hidden_size: int) -> int:
    """The products of a case of one cell with one gate."""
    return batch * time * hidden_size * (input_size + hidden_size)


def survey(case: Case, ask: Ask) -> list[Survey]:
    """Ask with all sizes of a case that shows a mistake; those that a share of a `time_limit` suffices for.

    None where a case of its own sizes does not show it for certain.
    """

    @cache
    def ask_sizes(seed: int, **sizes: int) -> float | None:
        """Ask a case of these sizes, once."""
        return ask(of_sizes(case, seed, **sizes))

    found = list[Survey]()
    with suppress(TimeIsUp), time_limit(SHARE * time_left()) if time_left() < math.inf else nullcontext():
        for name in ORDER:
            sizes = Survey(name)
            sizes.ask(case, getattr(case, name), ask_sizes)
            if sizes.right or not sizes.wrong:
                return []
            explore(sizes, case, ask_sizes)
            found.append(sizes)
    return found


def explore(sizes: Survey, case: Case, ask: AskSizes) -> None:
    """Ask with some sizes, and with more where there are wrong and right ones."""
    own = getattr(case, sizes.name)
    for size in FIRST:
        sizes.ask(case, size, ask, range(1))
    for size in (max(own - 1, 1), own + 1, *FIRST, *ASKED) if sizes.tells and sizes.over_1 else ():
        sizes.ask(case, size, ask)
    tried = set[int]()
    while sizes.tells and (halfway := sizes.between) and halfway not in tried:
        sizes.ask(case, halfway, ask)
        tried.add(halfway)
    if sizes.rule:  # what is seldom wrong is right by chance
        some = sorted(sizes.right)
        for size in {some[0], some[len(some) // 2], some[-1]}:
            sizes.ask(case, size, ask, range(SEEDS, MORE_SEEDS))


def rules(surveys: Iterable[Survey]) -> str:
    """Say by which rules the sizes are wrong: "where time is odd and hidden_size is over 64"; or nothing."""
    by_rule: dict[str, list[str]] = {}
    for each in surveys:
        if each.rule:
            by_rule.setdefault(each.rule, []).append(each.name)
    verbs = {1: "is", 2: "are both"}
    told = [f"{' and '.join(names)} {verbs.get(len(names), 'are')} {rule}" for rule, names in by_rule.items()]
    return f"where {' and '.join(told)}" if told else ""


def large_cases(case: Case, surveys: Iterable[Survey]) -> list[Case]:
    """Cases with larger sizes that are wrong, where mistakes have nowhere to hide."""
    sizes = {each.name: each.wrong for each in surveys}
    time = nearest(sizes.get("time", {}), max(case.time, STEPS), case.time)
    wanted = {"time": time, "hidden_size": max(case.hidden_size, 4), "input_size": max(case.input_size, 3)}
    for name in ("hidden_size", "input_size"):
        wanted[name] = nearest(sizes.get(name, {}), wanted[name], getattr(case, name))
    rows = rows_needed(of_sizes(case, 0, **wanted), time)
    wanted["batch"] = nearest(sizes.get("batch", {}), max(rows, case.batch), case.batch)
    return [of_sizes(case, seed, **wanted) for seed in range(SEEDS)]


def nearest(wrong: Iterable[int], wanted: int, own: int) -> int:
    """The smallest of the wrong sizes that is as large as wanted; the largest, or the own one, otherwise."""
    return min((size for size in wrong if size >= wanted), default=max(wrong, default=own))
