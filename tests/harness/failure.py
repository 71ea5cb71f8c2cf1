"""A failure: one case on which a backend's answer is wrong, and how to say so."""

import platform
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rnn_lockstep.adapters import Adapter, Cotangents, Facts, Trace, load
from rnn_lockstep.adapters.backends.examination import Examination, examine, examine_gradients
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake

EXPLAINED: dict[str, list[Mistake]] = {}  # by what the failures of a backend were explained in this run


@dataclass(eq=False)
class Failure:
    """What the AssertionError of a test holds, from which message, saved case and reports are made.

    backend: its name.  answer: its Trace, its gradients where there are `cotangents`, or the weights that
    it was trained to.
    claim: what the test shows, when it is more than that the answer to the case is right; such a failure
    may need more than the case to be seen again.
    test: the test that failed; saved: the file the case was written to; report: the script that shows it
    without this project; as soon as they are known.

    The message is made when it is asked for, not for each of the examples on the way to the smallest.
    """

    examines: ClassVar[bool] = True  # whether the backend is asked more, to find the cause

    backend: str
    adapter: Adapter
    verdict: Verdict
    answer: Any
    claim: str = ""
    cotangents: Cotangents | None = None
    test: str = ""
    saved: Path | None = None
    report: Path | None = None

    @property
    def facts(self) -> Facts:
        return self.adapter.facts

    @cached_property
    def examination(self) -> Examination:
        """What was found out about the cause, by asking the backend more."""
        case = self.verdict.case
        try:
            if self.cotangents is not None and self.verdict.comparisons and self.examines:
                return examine_gradients(self.adapter, case, self.cotangents, self.answer)
            if not self.verdict.comparisons or not isinstance(self.answer, Trace) or not self.examines:
                return Examination(self.verdict.reason)
            hints = EXPLAINED.setdefault(self.backend, [])
            found = examine(lambda: load(self.backend), self.adapter, case, self.answer, hints)
            if found.diagnosis and found.diagnosis.explanations:
                hints += [m for m in found.diagnosis.explanations[0].mistakes if m not in hints]
            return found
        except Exception as error:  # whatever a broken backend raises, the verdict is shown
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            return Examination(f"{self.verdict.reason} (asked more, the backend failed: {what})")

    @property
    def headline(self) -> str:
        """Which backend, what differs and the likely cause."""
        about = f" ({self.claim})" if self.claim else ""
        wrong = self.verdict.wrong
        what = f"wrong {(wrong.name or 'outputs') if wrong else 'form'}"
        return f"{self.backend}{about}: {what}: {self.examination.cause}"

    @property
    def again(self) -> str:
        """The command that runs it again."""
        backend = f"--backend {shlex.quote(self.backend)}"
        if self.saved and not self.claim:
            return f"pytest --replay={shlex.quote(str(self.saved))} {backend}"
        return f"pytest {shlex.quote(self.test)} {backend}"

    def __str__(self) -> str:
        _, *details = str(self.verdict).splitlines()
        if self.verdict.reason != self.examination.cause:
            details.insert(0, f"  {self.verdict.reason}")
        details += [f"  {note}" for note in self.examination.notes]
        details.append(
            f"  versions: {self.facts}; numpy {np.__version__}, Python {platform.python_version()}"
        )
        if self.saved:
            details.append(f"  saved: {self.saved}")
        if self.report:
            details.append(f"  to report it: {self.report}")
        return "\n".join([self.headline, *details, f"  again: {self.again}"])

    def to_json(self) -> dict[str, Any]:
        """What reports say of it: plain strings, numbers and lists, to travel in a test report."""
        case = self.verdict.case
        return {
            "backend": self.backend,
            "facts": str(self.facts),
            "test": self.test,
            "claim": self.claim,
            "case": repr(case),
            "layer": f"{case.cell} {case.dtype}",
            "cause": self.examination.cause,
            "reason": self.verdict.reason,
            "message": str(self),
            "saved": str(self.saved or ""),
        }


def failures(error: BaseException | None) -> Iterator[Failure]:
    """The failures that an error tells of: its own, or those of the errors it is a group of."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from failures(each)
    elif isinstance(error, AssertionError):
        yield from (part for part in error.args if isinstance(part, Failure))
