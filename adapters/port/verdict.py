"""A verdict on a port: that of its sequences, with what became of the weights, and what was not compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from rnn_lockstep.reference import Verdict


@dataclass(frozen=True, eq=False, repr=False)
class PortVerdict(Verdict):
    """The comparison of a target with its source; true where it is a match.

    case, comparisons: of the smallest sequence that is wrong, else of the last one.
    names: those of source and target.  layer: which of the source's layers, in words.
    cause: what is wrong, likely.
    weights: what became of them, one line for each cell or option.
    asked: how many sequences were compared, and who ran them.
    notes: what was not compared, and what else is to be known, one line each.
    """

    names: tuple[str, str] = ("source", "target")
    layer: str = ""
    cause: str = ""
    weights: tuple[str, ...] = ()
    asked: str = ""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "match"

    def __str__(self) -> str:
        why = self.cause or self.reason
        return "\n".join([f"{self.status}: {why}" if why else self.status, *self.details()])

    __repr__ = __str__

    def details(self) -> Iterator[str]:
        """All but the first line."""
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
