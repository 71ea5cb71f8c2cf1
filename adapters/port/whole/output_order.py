"""Outputs that are the source's in another order."""

from collections.abc import Sequence
from itertools import permutations

from rnn_lockstep.adapters.port.whole.allowance import Beside
from rnn_lockstep.adapters.port.whole.plain_causes import is_near
from rnn_lockstep.adapters.port.whole.walk import Walk, beside, that_count

MOST = 5  # outputs whose order is looked for


def output_order(walk: Walk, tensors: Sequence[Sequence[Beside]]) -> str:
    """The order in which the outputs are the source's, in words; empty where that does not explain them.

    tensors: the outputs of both, by question.
    """
    count = len(tensors[0])
    for order in permutations(range(count)) if 1 < count <= MOST else ():
        if order != (*range(count),) and all(
            is_order(walk, k, each, order) for k, each in enumerate(tensors)
        ):
            moved = [n for n in range(count) if order[n] != n]
            if len(moved) == 2:
                return f"outputs {moved[0]} and {moved[1]} are exchanged"
            return f"the outputs are in another order: the source's {', '.join(map(str, order))}"
    return ""


def is_order(walk: Walk, k: int, tensors: Sequence[Beside], order: Sequence[int]) -> bool:
    """Tell whether a question's outputs are the source's in an order, whatever is on padding."""
    for its, number in zip(tensors, order, strict=True):
        arrays, valid = that_count((its.target, tensors[number].narrow), walk.examples[k])
        found = beside("", (*arrays, arrays[1]), valid, is_wide=False)
        if found.wrong_shape or not is_near(found.part(found.target), found.expected):
            return False
    return True
