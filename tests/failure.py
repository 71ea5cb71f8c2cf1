"""A failure: one case on which a backend's answer is wrong, and how to say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters import Cotangents, Facts
from reference import Verdict


@dataclass(eq=False)
class Failure:
    """What the AssertionError of a test holds, from which message, saved case and reports are made.

    answer: the backend's Trace, or its gradients where there are `cotangents`.
    claim: what the test shows, when it is more than that the answer to the case is right; such a failure
    may need more than the case to be seen again.
    test: the test that failed, and saved: the file the case was written to, as soon as they are known.

    The message is made when it is asked for, not for each of the examples on the way to the smallest.
    """

    backend: str
    facts: Facts
    verdict: Verdict
    answer: Any
    claim: str = ""
    cotangents: Cotangents | None = None
    test: str = ""
    saved: Path | None = None

    def __str__(self) -> str:
        about = f" ({self.claim})" if self.claim else ""
        return f"{self.backend}{about}: {self.verdict}"

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
