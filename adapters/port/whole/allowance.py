"""What is compared beside recurrent layers, and how far it may be off: by the source's own rounding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnn_lockstep.reference.oracle.validation import Array

TIMES = 8  # the largest difference between the source's own two runs
ULPS = 4  # of the largest magnitude, beside that
TELLS = 100  # times its allowance that an output has to vary, to tell anything


@dataclass(frozen=True, eq=False)
class Beside:
    """One tensor of the target's beside the source's, in one question.

    name: what it is.  target: as the port has it.
    narrow, wide: the source's, computed in float32 and in float64; wide is None where that cannot be.
    valid (batch, time): the steps that count; None where all do.
    """

    name: str
    target: Array
    narrow: Array
    wide: Array | None
    valid: Array | None = None

    @property
    def wrong_shape(self) -> bool:
        """Whether the two have not the same shape."""
        return bool(self.target.shape != self.narrow.shape)

    def part(self, array: Array) -> Array:
        """The steps of one of its arrays that count, in float64."""
        return array.astype(np.float64)[... if self.valid is None else self.valid]

    @property
    def expected(self) -> Array:
        """The source's numbers, the more exact ones."""
        return self.part(self.narrow if self.wide is None else self.wide)

    @property
    def deviation(self) -> Array:
        """How far each number of the target's is off; infinite where one of the two is no number."""
        return apart(self.part(self.target), self.expected)


@dataclass(frozen=True)
class Found:
    """The comparison of a tensor over all questions.

    status: "match", "mismatch" or "inconclusive".  reason: of what is no match, one line.
    far, allowed: the largest deviation, and the allowance, infinite where that is not known.
    """

    name: str
    status: str
    reason: str = ""
    far: float = 0.0
    allowed: float = 0.0

    @property
    def ratio(self) -> float | None:
        """The largest deviation as a fraction of the allowance; None where that is not known."""
        if self.far <= 0 or not self.allowed:
            return 0.0 if self.far <= 0 else np.inf
        return self.far / self.allowed if np.isfinite(self.allowed) else None

    def __str__(self) -> str:
        if self.reason:
            return f"{self.name} {self.reason}"
        return f"{self.name} off by {self.far:.2g} where {self.allowed:.2g} is allowed"


def apart(one: Array, other: Array) -> Array:
    """The absolute differences; 0 where both are the same infinity or no number, else infinite there."""
    with np.errstate(invalid="ignore"):
        far = np.abs(one - other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(same, 0.0, np.where(np.isnan(far), np.inf, far))


def allowance(tensors: Sequence[Beside]) -> float:
    """The allowance of a tensor over all questions, by the source's two runs; 0 where nothing is in it.

    Infinite where the source's own runs are no numbers.
    """
    differences = [apart(t.part(t.narrow), t.part(t.wide)) for t in tensors if t.wide is not None]
    difference = max((float(d.max(initial=0)) for d in differences), default=0.0)
    largest = max((float(np.abs(t.expected).max(initial=0)) for t in tensors), default=0.0)
    if not np.isfinite(difference + largest):
        return np.inf
    return TIMES * difference + ULPS * float(np.spacing(np.float32(largest)))


def compared(tensors: Sequence[Beside], varies: bool = False) -> Found:
    """The comparison of one tensor, as it is in each question.

    varies: whether it has to vary with the inputs to tell anything, as outputs do.
    """
    name = tensors[0].name
    for each in tensors:
        if each.wrong_shape:
            shapes = f"has the shape {each.target.shape}, and {each.narrow.shape} in the source"
            return Found(name, "mismatch", shapes, np.inf)
    far = max(float(t.deviation.max(initial=0)) for t in tensors)
    allowed = allowance(tensors)
    if tensors[0].wide is None:
        if far <= allowed:  # which is ulps alone
            return Found(name, "match", far=far, allowed=allowed)
        told = f"is off by {far:.2g}, and the source cannot be run in float64 to tell how far it may be"
        return Found(name, "inconclusive", told, far, np.inf)
    if not np.isfinite(allowed):
        return Found(name, "inconclusive", "is no number in the source's own runs", far, allowed)
    if far > allowed:
        return Found(name, "mismatch", "", far, allowed)
    if varies and TELLS * allowed >= (spread := variation(tensors)):
        told = f"tells nothing: it varies by {spread:.2g} where {allowed:.2g} is allowed"
        return Found(name, "inconclusive", told, far, allowed)
    return Found(name, "match", "", far, allowed)


def variation(tensors: Sequence[Beside]) -> float:
    """By how much the numbers of a tensor vary over rows, steps and questions, at most."""
    found = [t.expected.reshape(-1, t.narrow.shape[-1] if t.narrow.ndim > 1 else 1) for t in tensors]
    every = np.concatenate(found)
    return float(np.ptp(every, axis=0).max(initial=0)) if len(every) else 0.0
