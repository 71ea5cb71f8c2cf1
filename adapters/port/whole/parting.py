"""Where within a wrong segment two models part: the last layer whose answer both have."""

from collections.abc import Collection, Sequence
from itertools import permutations

import numpy as np

from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Inner, WholeModel, steps_before
from rnn_lockstep.adapters.port.whole.plain_causes import is_near
from rnn_lockstep.adapters.port.whole.walk import TOLD, Walk
from rnn_lockstep.reference.oracle.validation import Array

SHOWN = 3  # layers that follow, which are named
MOST_AXES = 4  # of an array whose axes may be in another order


def parting(walk: Walk, target: WholeModel, segment: int, tensor: int, order: Sequence[int]) -> str:
    """The last layer of the source in a segment whose answer the port has too, and those that follow.

    tensor: the number of the wrong one among what comes out of the segment.
    order: the questions, those that tell most first; what is said holds in all of them.
    Empty where no layers can be watched there, or it is not known which of them the tensor is made of.
    What functions do between layers is not seen, so a layer that follows need not be the wrong one.
    """
    numbers = behind(walk, segment, tensor)
    names: list[str] = []
    same: set[int] = set()
    for k in order:
        mine, its = within(walk, target, segment, numbers, k)
        if not mine or its is None or (names and names != [each.name for each in mine]):
            return ""
        same = same if names else set(range(len(mine)))
        names = [each.name for each in mine]
        same = {n for n in same if any(has_the_same(mine[n], other, walk.examples[k]) for other in its)}
        if not same:
            return f"the source has {listed(names)} there, and the port no layer that gives the same"
    if not (after := names[max(same) + 1 :]):
        return f"the port does something after what {names[-1]} gives, the last layer of the source there"
    return f"both still have what {names[max(same)]} gives; in the source there follows {listed(after)}"


def behind(walk: Walk, segment: int, tensor: int) -> Collection[int]:
    """The numbers of the source's answers that a tensor is made of; none where that is not known."""
    names = [each.name for each in walk.tensors(segment, 0, *walk.forced[0])]
    number = sum(name not in TOLD for name in names[:tensor])
    call = None if segment == len(walk.places) else walk.places[segment].source[0]
    return walk.narrow.behind(walk.examples[0], call, number) or ()


def within(
    walk: Walk, target: WholeModel, segment: int, numbers: Collection[int], k: int
) -> tuple[list[Inner], list[Inner] | None]:
    """The answers of layers within a segment, in a question: those of the source's, and all of the target's.

    numbers: of the source's that are meant.  Of the target's, None where its layers are not seen anywhere.
    """
    before = walk.places[:segment]
    calls = sum(len(place.source) for place in before)
    its_calls = sum(len(place.target) for place in before)
    mine = walk.narrow.inner(walk.examples[k], walk.emission(k))
    its = target.inner(walk.examples[k])
    here = [each for n, each in enumerate(mine) if n in numbers and each.calls == calls]
    return here, [each for each in its if each.calls == its_calls] if its else None


def listed(names: Sequence[str]) -> str:
    """The first names, in one phrase."""
    return ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)


def has_the_same(one: Inner, other: Inner, example: Example) -> bool:
    """Tell whether two layers answer the same numbers, but for padding and for the order of axes."""
    a, b = (np.squeeze(steps_of(each.array, example)) for each in (one, other))
    if a.size != b.size:
        return False
    less, more = sorted((a, b), key=lambda array: array.ndim)
    if more.ndim > MOST_AXES:
        return False
    orders = permutations(range(more.ndim))
    return any(is_near(more.transpose(axes).reshape(-1), less.reshape(-1)) for axes in orders)


def steps_of(array: Array, example: Example) -> Array:
    """An array in float64; where it is (batch, time, ...) or (time, batch, ...), without padding."""
    array = array.astype(np.float64)
    if example.lengths is None or array.ndim < 3:
        return array
    rows, steps = example.arrays[0].shape[:2]
    times = (steps, int(example.lengths.max()))  # packed rows end with the longest
    for found in (array, array.swapaxes(0, 1)):
        if found.shape[0] == rows and found.shape[1] in times:
            return np.asarray(found[steps_before(example.lengths, found.shape[1])])
    return array
