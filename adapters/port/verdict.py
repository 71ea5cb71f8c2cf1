"""The verdict on a port: its sequences, its weights beside the source's, and what was not compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from rnn_lockstep.adapters.port.whole.verdict import Line, WholeVerdict
from rnn_lockstep.reference import Verdict

# The exit codes of a check, under pytest too, whose own they are: of failed tests, of a wrong option and of
# no tests.
RIGHT, WRONG, UNUSABLE, PARTLY = 0, 1, 4, 5


@dataclass(frozen=True, eq=False, repr=False)
class PortVerdict(Verdict):
    """The comparison of a target with its source; true where all of it was compared, and is a match.

    case, comparisons: those of the smallest sequence that is wrong, else of the last one.
    only: what was compared, in words, where that is not all; empty where it is.
    names: the source's and the target's.  layer: the source's layer, in words.
    cause: the likely cause of a mismatch, in words.
    weights: a line for each cell or option that tells whether it is the same.
    reason: of a match, by what it is one, where that is not the proven bound.
    asked: a line that tells how many sequences were compared, and who ran them.
    notes: a line for each thing that was not compared, or is to be known beside.
    lines: the finding on each sequence, in their order, for reports.
    """

    names: tuple[str, str] = ("source", "target")
    layer: str = ""
    cause: str = ""
    only: str = ""
    weights: tuple[str, ...] = ()
    asked: str = ""
    notes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "match" and not self.only

    def __str__(self) -> str:
        why = self.cause or self.reason
        if self.status == "match":
            why = self.only or self.reason
        return "\n".join([f"{self.status}: {why}" if why else self.status, *self.details()])

    __repr__ = __str__

    def details(self) -> Iterator[str]:
        """The lines of the text after the first."""
        source, target = self.names
        yield f"  source: {source}, {self.layer}"
        yield f"  target: {target}"
        for line in self.weights:
            yield f"  weights: {line}"
        if self.asked:
            yield f"  sequences: {self.asked}"
        if self.asked and self.status != "match":
            _, *details = super().__str__().splitlines()
            yield from [f"  {self.reason}"] * (bool(self.reason) and self.reason != self.cause)
            yield from details
        for note in self.notes:
            yield f"  note: {note}"


def exit_code(verdict: "PortVerdict | WholeVerdict") -> int:
    """The exit code that tells a verdict: all that was asked matches, something does not, or neither."""
    if verdict:
        return RIGHT
    return PARTLY if verdict.status in ("match", "inconclusive") else WRONG
