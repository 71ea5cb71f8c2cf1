"""Where within a wrong segment two models part: the last layer whose answer both have."""

from collections.abc import Sequence

import numpy as np

from rnn_lockstep.adapters.port.whole.model import Inner, WholeModel
from rnn_lockstep.adapters.port.whole.plain_causes import is_near
from rnn_lockstep.adapters.port.whole.walk import Walk

SHOWN = 3  # layers that follow, which are named


def parting(walk: Walk, target: WholeModel, segment: int, k: int) -> str:
    """The last layer of the source in a segment whose answer the port has too, and those that follow.

    k: the number of the question.  Empty where no layers can be watched there.
    What functions do between layers is not seen, so a layer that follows need not be the wrong one.
    """
    before = walk.places[:segment]
    mine = after_calls(
        walk.narrow.inner(walk.examples[k], walk.emission(k)), sum(len(place.source) for place in before)
    )
    every = target.inner(walk.examples[k])
    its = after_calls(every, sum(len(place.target) for place in before))
    if not mine or not every:
        return ""
    same = [n for n, inner in enumerate(mine) if any(has_the_same(inner, other) for other in its)]
    if not same:
        return f"the source has {names_of(mine)} there, and the port no layer that gives the same"
    if not (after := mine[same[-1] + 1 :]):
        return f"the port does something after what {mine[-1].name} gives, the last layer of the source there"
    return f"both still have what {mine[same[-1]].name} gives; in the source there follows {names_of(after)}"


def after_calls(inner: Sequence[Inner], calls: int) -> list[Inner]:
    """The answers of layers after so many calls of recurrent ones, and before the next."""
    return [each for each in inner if each.calls == calls]


def names_of(inner: Sequence[Inner]) -> str:
    """The names of the first layers, in one phrase."""
    return ", ".join(each.name for each in inner[:SHOWN]) + ", ..." * (len(inner) > SHOWN)


def has_the_same(one: Inner, other: Inner) -> bool:
    """Tell whether two layers answer the same numbers, whatever the order of their axes."""
    a, b = (np.sort(each.array.astype(np.float64), axis=None) for each in (one, other))
    return is_near(b, a)
