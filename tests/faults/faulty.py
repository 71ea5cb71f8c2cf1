"""What a fault is made of: a correct NumPy backend and one deliberate bug."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapters import Case, Facts, Trace
from reference.cells import ACTIVATIONS

Array = np.ndarray
Memory = dict[str, Any]
Step = Callable[[int, Array, Array, Case], Array]


@dataclass
class Faulty:
    """A backend with a fault. `memory` is what it keeps between calls, and should not."""

    fault: "Fault"
    memory: Memory = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return Facts(self.fault.name)

    def run(self, case: Case) -> Trace:
        return self.fault.answer(case, self.memory) if self.fault.remembers else self.fault.answer(case)


@dataclass(frozen=True)
class Fault:
    """One deliberate bug. Calling it makes a new backend that has it."""

    name: str
    family: str
    answer: Callable[..., Trace]
    remembers: bool

    def __call__(self) -> Faulty:
        return Faulty(self)


def fault(family: str, *, remembers: bool = False) -> Callable[[Callable[..., Trace]], Fault]:
    """Make a fault of `answer(case)`, or of `answer(case, memory)` for one that remembers."""
    return lambda answer: Fault(answer.__name__, family, answer, remembers)


def right_step(t: int, x: Array, h: Array, c: Case) -> Array:
    return ACTIVATIONS[c.activation](x @ c.W.T + h @ c.U.T + c.b)


def run(case: Case, step: Step = right_step) -> Trace:
    """The correct loop around a step."""
    h = case.h0
    outputs = np.empty((case.batch, case.time, case.hidden_size), case.dtype)
    for t in range(case.time):
        h = step(t, case.inputs[:, t], h, case).astype(case.dtype, copy=False)
        outputs[:, t] = h
    return Trace(outputs, h.copy())


def to_bits(array: Array, bits: int) -> Array:
    """The array with its significands rounded to `bits` bits, in its own dtype."""
    fraction, exponent = np.frexp(array)
    return np.ldexp(np.round(fraction * 2.0**bits) / 2.0**bits, exponent).astype(array.dtype)
