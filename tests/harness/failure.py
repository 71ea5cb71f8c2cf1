"""A failure: one case on which a backend's answer is wrong, or has none, and how to say so."""

import platform
import re
import shlex
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import settings

from rnn_lockstep.adapters import Adapter, Cotangents, Facts, Trace, load
from rnn_lockstep.adapters.backends.compare import CALLS, was_raised_in
from rnn_lockstep.adapters.backends.examination import Examination, examine, examine_gradients
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp
from rnn_lockstep.tests.harness.budget import Budget
from rnn_lockstep.tests.harness.features import GRADIENTS, TRAINING, blamed
from rnn_lockstep.tests.harness.profiles import DEFAULT_EXAMPLES

UNSTEADY = "it does not always answer the same case alike"
EXPLAINED: dict[str, list[Mistake]] = {}  # by what the failures of a backend were explained in this run


@dataclass(eq=False)
class Failure:
    """The content of a test's AssertionError, from which message, saved case and reports are made.

    backend: its name.  answer: its Trace, its gradients where there are `cotangents`, or the weights that
    it was trained to.
    claim: what the test shows, when it is more than that the answer to the case is right; such a failure
    may need more than the case to be seen again.
    flaky: what happened when the same was run again, where that was something else.
    test: the test that failed.  replay, rerun: the commands, all but the options, that run a saved case and
    the test itself; saved: the file the case was written to; report: the script that shows it without this
    project; as soon as they are known.
    smallest: whether Hypothesis has looked for a smaller case that fails.
    examination: the cause, as far as `examine` has found it out, which only the smallest example's is asked.
    shows: what an entry of known failures may say of it, where one is drafted.

    The message is made when it is asked for, of what is known by then. That takes no time.
    """

    examines: ClassVar[bool] = True  # whether the backend is asked more, to find the cause

    backend: str
    adapter: Adapter
    verdict: Verdict
    answer: Any
    claim: str = ""
    cotangents: Cotangents | None = None
    flaky: str = ""
    test: str = ""
    replay: str = "pytest"
    rerun: str = "pytest"
    saved: Path | None = None
    report: Path | None = None
    smallest: bool = False
    examination: Examination | None = None
    shows: Mapping[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return self.adapter.facts

    @property
    def of(self) -> str:
        """What was asked for: an answer, gradients or training."""
        if self.cotangents is not None:
            return GRADIENTS
        return TRAINING if isinstance(self.answer, list) else ""

    def examine(self, budget: Budget) -> None:
        """Find out the cause, within the time there is, by asking the backend more.

        Whatever a broken backend raises then, the verdict stands. Raises KeyboardInterrupt.
        A backend that is wrong now and then only is not asked: it would say something else again.
        """
        reason = self.verdict.reason
        if not self.examines or self.flaky:
            return
        try:
            with budget.for_one():
                self.examination = self.examined()
        except TimeIsUp as over:
            self.examination = Examination(f"not diagnosed: {over}: {reason}")
        except KeyboardInterrupt:
            self.examination = Examination(f"not diagnosed, interrupted: {reason}")
            raise
        except BaseException as error:
            self.examination = Examination(f"{reason} ({self.told(error)})")

    def told(self, error: BaseException) -> str:
        """Say whose error ended the examination: the backend's, or one of the diagnosis itself."""
        if was_raised_in(error, (*CALLS, Failure.anew)):
            return f"asked more, the backend raised {with_type(error)}"
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        return f"not diagnosed: Lockstep itself failed, in {where}, with {with_type(error)}; please report it"

    def examined(self) -> Examination:
        """Examine the backend, as far as there is something to find out about such an answer."""
        if self.cotangents is not None:
            return examine_gradients(self.adapter, self.verdict, self.cotangents, self.answer)
        if not isinstance(self.answer, Trace):
            return Examination(self.verdict.reason)
        hints = EXPLAINED.setdefault(self.backend, [])
        found = examine(self.anew, self.adapter, self.verdict, self.answer, hints)
        if found.diagnosis and found.diagnosis.explanations:
            hints += [m for m in found.diagnosis.explanations[0].mistakes if m not in hints]
        return found

    def anew(self) -> Adapter:
        """Make the same backend anew, in another process where it has one of its own."""
        return self.adapter.anew() if isinstance(self.adapter, Supervised) else load(self.backend)

    @property
    def cause(self) -> str:
        """The likely cause; the verdict's reason where none was looked for."""
        if self.flaky:
            return f"{self.verdict.reason}; {UNSTEADY}: {self.flaky}"
        return self.examination.cause if self.examination else self.verdict.reason

    @property
    def headline(self) -> str:
        """The first line: the backend, what differs and the likely cause."""
        about = f" ({self.claim})" if self.claim else ""
        return f"{self.backend}{about}: {self.what}{self.cause}"

    @property
    def what(self) -> str:
        """The beginning of a cause that tells what differs."""
        wrong = self.verdict.wrong
        return f"wrong {(wrong.name or 'outputs') if wrong else 'form'}: "

    @property
    def kind(self) -> str:
        """The cause without the places that are wrong in this case: the same for failures of one kind."""
        if not self.verdict.comparisons or self.verdict.reason not in self.cause:
            return self.cause
        known = self.cause.replace(self.verdict.reason, "").rstrip(": ")
        what = re.sub(r"(layer \d+|forward|backward) ?", "", self.what).rstrip(": ")
        return f"{self.verdict.case.cell}: {what}" + (f": {known}" if known else "")

    @property
    def again(self) -> str:
        """The command that runs it again."""
        backend = f"--backend {shlex.quote(self.backend)}"
        if self.saved and not self.claim:
            return f"{self.replay} --replay={shlex.quote(str(self.saved))} {backend}"
        return f"{self.rerun} {backend}"

    def __str__(self) -> str:
        _, *details = str(self.verdict).splitlines()
        if self.verdict.reason not in self.cause:
            details.insert(0, f"  {self.verdict.reason}")
        details += [f"  {note}" for note in (self.examination.notes if self.examination else ())]
        details.append(
            f"  versions: {self.facts}; numpy {np.__version__}, Python {platform.python_version()}"
        )
        if self.saved:
            details.append(f"  saved: {self.saved}")
        if self.report:
            details.append(f"  to report it: {self.report}")
        return "\n".join([self.headline, *details, f"  again: {self.again}"])

    def to_json(self) -> dict[str, Any]:
        """Give what reports say of it: plain strings, numbers and lists, to travel in a test report."""
        case = self.verdict.case
        return {
            "backend": self.backend,
            "facts": str(self.facts),
            "test": self.test,
            "claim": self.claim,
            "case": repr(case),
            "size": sum(array.size for array in case.arrays().values()),
            "layer": f"{case.cell} {case.dtype}",
            "features": blamed(case, self.of, self.smallest),
            "cause": self.cause,
            "kind": self.kind,
            "reason": self.verdict.reason,
            "message": str(self),
            "saved": str(self.saved or ""),
            "shows": dict(self.shows),
        }


class Crash(Failure):
    """A failure without an answer to judge: an error that was raised. Its verdict's reason tells of it.

    answer: none.  claim: where a test raised it and not the backend; the case alone does not show that.
    """

    what = ""

    def examine(self, budget: Budget) -> None:
        """Leave it as it is: the error tells what is wrong."""


class Drifted(Failure):
    """A failure of answers that are right to the proven bound. Its verdict's reason tells of the drift."""

    what = "drift: "

    def examine(self, budget: Budget) -> None:
        """Leave it as it is: mistakes are told from right by the bound, inside which all of this is."""

    @property
    def again(self) -> str:
        """The test's command, with the number of examples: it may take all cases to see it."""
        examples = settings().max_examples
        more = "" if examples == DEFAULT_EXAMPLES else f" --max-examples {examples}"
        return f"{self.rerun} --backend {shlex.quote(self.backend)}{more}"


def failures(error: BaseException | None) -> Iterator[Failure]:
    """The failures that an error tells of: its own, or those of the errors it is a group of."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from failures(each)
    elif isinstance(error, AssertionError):
        yield from (part for part in error.args if isinstance(part, Failure))
