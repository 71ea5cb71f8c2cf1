"""Hunting: random cases of every kind that a backend can do, drawn by number, asked and judged in blocks.

A block is a function of its arguments alone, in whichever process or on whichever host it runs.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Adapter, Case, Facts, Refused, Trace, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.adapters.one_line import in_one_line, with_type
from rnn_lockstep.adapters.workers.supervised import Lost, Raised, Supervised
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.bound.arithmetic import FORMATS, rounded
from rnn_lockstep.reference.check.drift import judged_by_rounding
from rnn_lockstep.tests.harness.drawing.make_case import make_case
from rnn_lockstep.tests.harness.drawing.strategies import GRID_VALUES, SHAPES, choices
from rnn_lockstep.tests.harness.failure import Crash, Failure
from rnn_lockstep.tests.harness.saving import Saving
from rnn_lockstep.tests.harness.scores import Scores

PADDINGS: tuple[dict[str, bool], ...] = ({}, {"padded": True}, {"masked": True})
LARGE = ("long",)  # too large for several layers
IN_A_ROW = 10  # cases in one form of a layer, where a backend compiles each
WRONG = ("mismatch", "drift")
MOST_FINDS = 50  # that are kept, of different kinds; all are counted
MOST_LOST = 3  # cases in which a block loses the backend's process, after which it asks no more
ADAPTERS = threading.local()  # those that this thread has made, by name


@dataclass(frozen=True)
class Find:
    """A case that is not right: its number, its kind and the verdict in words, and its saved case.

    files: by name, as `Saving` writes them, a bug report beside the case where there can be one.
    """

    number: int
    kind: str
    words: str
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Found:
    """What was found in some cases: plain data, that travels between processes and adds up in any order.

    counts: errors, which are no verdicts, and cases that were not run.  finds: one of each kind.
    facts: how many blocks were asked of which framework in which version, in words.
    """

    scores: Scores = field(default_factory=Scores)
    counts: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """The number of cases that are dealt with, in whichever way."""
        return sum(score.counts.total() for score in self.scores.values()) + self.counts.total()

    @property
    def wrong(self) -> int:
        """The number of wrong answers and errors."""
        counts = (score.counts[status] for score in self.scores.values() for status in WRONG)
        return sum(counts) + self.counts["error"]

    def add(self, other: "Found") -> list[Find]:
        """Add what was found in other cases, and return the finds that are of a new kind."""
        self.scores.add_json(other.scores.to_json())
        self.counts += other.counts
        self.facts += other.facts
        return [find for find in other.finds if self.keep(find)]

    def keep(self, find: Find) -> bool:
        """Keep a find of a new kind, while they are not too many, and tell whether it was kept."""
        new = len(self.finds) < MOST_FINDS and find.kind not in {each.kind for each in self.finds}
        self.finds += [find] * new
        return new


def hunted(backend: str, seed: int, numbers: range, drift: bool = False) -> Found:
    """Ask a backend the cases with these numbers, and tell what was found. Raises UnknownBackend.

    drift: judge cases of random numbers by rounding too. A backend that raises, ends or hangs in a case has
    not answered it: that is an error, and a find as a wrong answer is one.
    """
    adapter, found, lost = made(backend), Found(), 0
    found.facts[str(adapter.facts)] += 1
    for number in numbers:
        if lost == MOST_LOST:
            found.counts["not run"] += 1
            continue
        case, start = drawn_case(adapter.facts, seed, number), time.perf_counter()
        try:
            trace = run(adapter, case)
            answered = Failure(backend, adapter, judged(adapter, case, trace, drift), trace)
            found.scores.add_verdict(answered.verdict)
        except Refused as reason:
            answered = None
            found.scores.add_refusal(case, str(reason))
        except Exception as error:  # whatever a backend raises
            answered = Crash(backend, adapter, Verdict(case, "error", told(error)), None)
            found.counts["error"] += 1
            lost += isinstance(error, Lost)
        found.scores.add_time(case, time.perf_counter() - start)
        if answered and answered.verdict.status in (*WRONG, "error"):
            found.keep(find_of(answered, number))
    return found


def made(backend: str) -> Adapter:
    """The adapter of a name, made once in a thread: NumPy's here, any other in a process of its own."""
    adapters: dict[str, Adapter] = ADAPTERS.__dict__
    if backend not in adapters:
        adapters[backend] = load(backend) if backend == "numpy" else Supervised(backend)
    return adapters[backend]


def drawn_case(facts: Facts, seed: int, number: int) -> Case:
    """Draw one of the cases that a backend can do; the same one for the same numbers."""

    def one(values: Sequence[Any]) -> Any:
        return values[int(rng.integers(len(values)))]

    rng = np.random.default_rng((seed, number // IN_A_ROW if facts.compiles else number))
    shapes = one(tuple(SHAPES))
    to_choose_from = choices(
        one(facts.cells),
        shapes,
        dtypes=(one(facts.dtypes),),
        variants=one(("usual", "all") if shapes in LARGE else ("usual", "all", "stacked")),
        backwards=one((True, False)),
        facts=facts,
        **one(PADDINGS),
    )
    arguments = {name: one(values) for name, values in to_choose_from.items()}
    rng = np.random.default_rng((seed, number, 1))  # from here on all cases in a row differ
    arguments |= {name: one(to_choose_from[name]) for name in ("regime", "layout")}
    source = one((rng.bytes(GRID_VALUES), int(rng.integers(2**32))))
    return make_case(**arguments, source=source)


def judged(adapter: Adapter, case: Case, trace: Trace, drift: bool) -> Verdict:
    """The verdict on a backend's answer to a case. drift: judge one of random numbers by rounding too."""
    verdict = judge(adapter, case, trace)
    if not drift or verdict.status == "mismatch" or not is_random(case):
        return verdict
    by_rounding = judged_by_rounding(verdict, trace, adapter.facts.arithmetic(case.dtype))
    return by_rounding if by_rounding.status == "drift" else verdict


def is_random(case: Case) -> bool:
    """Tell whether most numbers of a case have all their bits, as the model of rounding needs."""
    bits = FORMATS[case.dtype.name].bits
    numbers = np.concatenate([array.astype(np.float64).ravel() for array in case.arrays().values()])
    numbers = numbers[np.isfinite(numbers)]
    return bool(np.mean(rounded(numbers, bits - 2) != numbers) > 0.5)


def told(error: Exception) -> str:
    """Say what a backend did in place of answering, in one line."""
    if isinstance(error, Lost):
        return str(error)
    return f"raised {error.what if isinstance(error, Raised) else with_type(error)}"


def find_of(failure: Failure, number: int) -> Find:
    """Keep of a failure what can travel: its words, and the files that a run of the suite would save."""
    verdict = failure.verdict
    files: dict[str, bytes] = {}
    words = f"{verdict.status}: {failure.verdict.reason}" if verdict.status == "error" else str(verdict)
    with TemporaryDirectory() as folder:
        try:
            Saving(Path(folder)).save(failure, Path(folder))
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        except Exception as error:  # the verdict matters more, as in the suite
            words += f"\n  not saved: {in_one_line(error)}"
    return Find(number, f"{verdict.case.kind} {verdict.case.dtype} {verdict.status}", words, files)
