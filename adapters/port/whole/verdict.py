"""The verdict on a port of a whole model: the first wrong place, and what was compared."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The finding at one place of a model.

    place: in words.  status: "match", "mismatch" or "inconclusive".  text: what was found there.
    ratio: the largest deviation as a fraction of what is allowed there; None where that is not known.
    """

    place: str
    status: str
    text: str
    ratio: float | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.status}, {self.text}" if self.text else f"{self.place}: {self.status}"


@dataclass(frozen=True, eq=False, repr=False)
class WholeVerdict:
    """The comparison of a target with its source, both as a whole; true where all of it is a match.

    status: "match", "mismatch" or "inconclusive".
    reason: the first wrong place and the likely cause; of a match, what is another inside and undone there.
    only: what was compared, in words, where that is not all; empty where it is.
    names: the source's and the target's.  asked: the questions, in words.
    lines: the finding at each place, in the order in which a model gets there.
    notes: a line for each thing that was not compared, or is to be known beside.
    """

    status: str
    reason: str
    names: tuple[str, str]
    asked: str
    lines: tuple[Line, ...] = ()
    only: str = ""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "match" and not self.only

    def __str__(self) -> str:
        why = self.only if self.status == "match" and self.only else self.reason
        return "\n".join([f"{self.status}: {why}" if why else self.status, *self.details()])

    __repr__ = __str__

    def details(self) -> Iterator[str]:
        """The lines of the text after the first."""
        source, target = self.names
        yield f"  source: {source}, the whole model"
        yield f"  target: {target}"
        yield f"  inputs: {self.asked}"
        for line in self.lines:
            yield f"  {line}"
        for note in self.notes:
            yield f"  note: {note}"
