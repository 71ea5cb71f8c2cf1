"""The fingerprint of a backend's arithmetic: why two versions differ in bits, though neither is wrong.

Small cases of a simple RNN are asked, whose answers tell one way of computing from another. Nothing is
judged. The order of a sum is told as by FPRev (Xie et al. 2024, arXiv:2411.00442): of terms that are 1, but
for M and -M in two places, those 1 are lost that are added to either before the two meet.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.adapters.backends.contract import Adapter, Refused
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

TERMS = 64  # of the sum whose order is told
LARGE = 2.0**60  # so many terms of 1 beside it are lost
SHOWN = 12  # counts that are told of an order without a name
STRIDES = (1, 2, 4, 8, 16, 32)  # of two terms that may be in the same lane of a sum


def fingerprint(adapter: Adapter) -> dict[str, str]:
    """What the backend's arithmetic looks like, in words by what was asked.

    Whatever the backend raises or answers, it is told as "not known: ...", and nothing is judged.
    """
    found = {}
    for name, asked in ASKED.items():
        try:
            found[name] = asked(adapter)
        except (Refused, NotDeclared) as reason:
            found[name] = f"not known: {reason}"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a backend may raise anything, and answer anything
            found[name] = f"not known: {with_type(error)}"
    return found


class NotDeclared(Exception):
    """The backend does not declare what a case needs. The message says what."""


def answers(adapter: Adapter, inputs: Array, W: Array, activation: str = "relu", U: float = 0.0) -> Array:
    """The outputs (batch, time, 1) of one unit that begins with zero; its bias is zero.

    inputs: (batch, time, D).  W: (D,).
    """
    dtype = inputs.dtype
    case = Case(
        inputs, W[None].astype(dtype), np.full((1, 1), U, dtype), np.zeros(1, dtype), None, activation
    )
    if needs := adapter.facts.undeclared(case):
        raise NotDeclared(f"it declares no {needs}")
    outputs = run(adapter, case).outputs
    if np.shape(outputs) != (*inputs.shape[:2], 1):  # which may be too large to look at
        raise NotDeclared("its answer has another shape")
    return outputs


def flushing(adapter: Adapter) -> str:
    """Tell what becomes of a subnormal number."""
    inputs = np.full((1, 1, 1), 2.0**-140, np.float32)
    kept = answers(adapter, inputs, np.ones(1)).any()
    return "subnormal numbers are kept" if kept else "subnormal numbers are flushed to zero"


def fusing(adapter: Adapter) -> str:
    """Tell whether a product is rounded before it is added: (1 + 2^-12)² less what it rounds to."""
    a = np.float32(1 + 2.0**-12)
    for stride in STRIDES:
        for first, second in ((0, stride), (stride, 0)):
            inputs, W = np.zeros((1, 1, TERMS), np.float32), np.zeros(TERMS)
            inputs[..., first], W[first] = a * a, -1
            inputs[..., second], W[second] = a, a
            if answers(adapter, inputs, W).any():
                return "products and additions are fused"
    return "products are rounded before they are added, or their order hides it"


def met_with_the_first(adapter: Adapter) -> list[int]:
    """How many terms of a sum have been added up when the first one and each other one have met."""
    others = np.arange(1, TERMS)
    inputs = np.ones((len(others), 1, TERMS), np.float32)
    inputs[..., 0] = LARGE
    inputs[others - 1, 0, others] = -LARGE
    left = answers(adapter, inputs, np.ones(TERMS))[:, 0, 0]
    return [TERMS - int(count) for count in left]


def order(adapter: Adapter) -> str:
    """Tell in which order many terms are added up."""
    met = met_with_the_first(adapter)
    if met == list(range(2, TERMS + 1)):
        return f"{TERMS} terms are added up one after the other"
    if met == [2 ** int(k).bit_length() for k in range(1, TERMS)]:
        return f"{TERMS} terms are added up in pairs"
    if met == [TERMS] * (TERMS - 1):
        return f"{TERMS} terms are added up from the last to the first"
    if (nearest := met.index(min(met)) + 1) > 1:
        return f"{TERMS} terms are added up in lanes: the first meets the one {nearest} places on first"
    begin = ", ".join(map(str, met[:SHOWN]))
    return f"{TERMS} terms are added up in an order of its own: the first meets the others with {begin}, ..."


def carrying(adapter: Adapter) -> str:
    """Tell whether a state in float16 is kept with more bits than are shown."""
    a = 1 + 2.0**-6  # whose square has one bit more than float16
    inputs = np.array([[[a, 0.0], [0.0, 1.0]]], np.float16)
    outputs = answers(adapter, inputs, np.array([a, -(1 + 2.0**-5)]), U=1.0)
    kept = outputs[0, 1, 0] > 0
    return "a float16 state is kept with more bits" if kept else "a float16 state is kept as it is shown"


def saturating(adapter: Adapter) -> str:
    """Tell what tanh is where it cannot be told from 1."""
    value = answers(adapter, np.full((1, 1, 1), 20.0, np.float32), np.ones(1), "tanh")[0, 0, 0]
    return "tanh(20) is 1" if value == 1 else f"tanh(20) is {float(value):.9g}"


ASKED: dict[str, Callable[[Any], str]] = {
    "subnormal numbers": flushing,
    "products": fusing,
    "sums": order,
    "states": carrying,
    "saturation": saturating,
}


def lines(adapter: Adapter) -> Iterator[str]:
    """The fingerprint, a line for each finding."""
    for name, says in fingerprint(adapter).items():
        yield f"{name:18} {says}"
