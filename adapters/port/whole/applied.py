"""What the source applies to something that both models have, and the port applies in its place."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside
from rnn_lockstep.adapters.port.whole.causes import are_same, telling
from rnn_lockstep.adapters.port.whole.model import WholeModel
from rnn_lockstep.adapters.port.whole.parting import behind, within
from rnn_lockstep.adapters.port.whole.plain_causes import FEWEST, FUNCTIONS, LOSSY, Function, is_near
from rnn_lockstep.adapters.port.whole.walk import Walk
from rnn_lockstep.reference.oracle.validation import Array

TWICE = ("tanh", "sigmoid", "softmax", "silu")  # which make something else when they are applied again
EVERY: dict[str, Function] = {
    "": lambda x: x,
    **FUNCTIONS,
    "relu6": lambda x: np.clip(x, 0, 6),
    **{f"{name} twice": lambda x, f=FUNCTIONS[name]: f(f(x)) for name in TWICE},  # type: ignore[misc]
}


def applied(
    walk: Walk, target: WholeModel, segment: int, tensor: int, tensors: Sequence[Sequence[Beside]]
) -> str:
    """The functions that make a wrong tensor of what both models have, in words; empty where none are found.

    tensor: its number among what comes out of the segment.  tensors: all of that, by question.
    """
    wrong = [k for k, each in enumerate(tensors) if not are_same([each[tensor]])]
    asked = telling(walk, wrong)
    pairs = [tensors[k][tensor] for k in asked]
    if not wrong or any(t.wrong_shape or t.target.ndim < 2 for t in pairs):
        return ""
    if sum(t.target.size for t in pairs) < FEWEST:
        return ""
    numbers = behind(walk, segment, tensor)
    found = [[*given(walk, target, segment, numbers, k, t)] for k, t in zip(asked, pairs, strict=True)]
    if len({tuple(of for of, _ in each) for each in found}) > 1:
        return ""
    for each in zip(*found, strict=True):
        arrays = [array for _, array in each]
        mine = function_of(arrays, [t.expected for t in pairs])
        its = function_of(arrays, [t.part(t.target) for t in pairs])
        if words := told(mine, its, of=each[0][0]):
            return words
    return ""


def told(mine: str | None, its: str | None, of: str) -> str:
    """What the source and the port apply, in words; empty where it is not known or the same.

    mine, its: the names, empty where it is nothing, and None where none is known.
    of: "both", "source" or "port", for what only one of them has: it may have applied the function there.
    """
    if mine is None or its is None or mine == its:
        return ""
    if mine and its:
        return f"the source applies {mine}, the port {its}"
    if not its:
        return f"the source applies {mine}, the port does not" if of != "port" or mine not in LOSSY else ""
    return f"the source has nothing, the port applies {its}" if of != "source" or its not in LOSSY else ""


def given(
    walk: Walk, target: WholeModel, segment: int, numbers: Collection[int], k: int, tensor: Beside
) -> Iterator[tuple[str, Array]]:
    """What a tensor may be made of: what the layer before emits, then what layers in the segment give.

    Each with who has it, "both", "source" or "port", and in the tensor's form.
    """
    if segment:
        call = walk.target_call(k, segment - 1)
        emitted = (call.outputs, call.last, *(state[-1:] for state in call.final))
        yield from (("both", array) for array in in_form([a for a in emitted if a is not None], tensor))
    layers = within(walk, target, segment, numbers, k)
    mine, its = (in_form([each.array for each in found or ()], tensor) for found in layers)
    yield from (("both" if any(is_near(b, a) for b in its) else "source", a) for a in mine)
    yield from (("port", a) for a in its if not any(is_near(a, b) for b in mine))


def in_form(arrays: Sequence[Array], tensor: Beside) -> list[Array]:
    """The arrays that can be brought into a tensor's form, with batch or time first, in that form."""
    found = []
    for array in arrays:
        forms = [array, array[None]] if array.ndim < 2 else [array, array.swapaxes(0, 1), array[None]]
        steps = [
            form[:, : tensor.narrow.shape[1]] for form in forms if form.ndim > 1
        ]  # packed rows end early
        fitting = [form for form in steps if form.shape == tensor.narrow.shape]
        found += [tensor.part(form) for form in fitting[:1]]
    return found


def function_of(arrays: Sequence[Array], wanted: Sequence[Array]) -> str | None:
    """The name of the function that makes some arrays of others, empty for none; None if none is known."""

    def makes(function: Function) -> bool:
        return all(is_near(function(array), other) for array, other in zip(arrays, wanted, strict=True))

    with np.errstate(all="ignore"):
        return next((name for name, function in EVERY.items() if makes(function)), None)
