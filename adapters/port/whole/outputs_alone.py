"""What explains wrong outputs where nothing else is seen of the target: the source with one mistake in it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.port.whole.causes import EMITTED, are_same, cause_of
from rnn_lockstep.adapters.port.whole.inputs import Input
from rnn_lockstep.adapters.port.whole.layers import shown_by
from rnn_lockstep.adapters.port.whole.model import Call
from rnn_lockstep.adapters.port.whole.walk import Change, Walk
from rnn_lockstep.reference.diagnosis.mistakes import COMMON, possible
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.engine import Engine

TELLING = 3  # questions that a cause has to explain
LONGEST = 30.0  # seconds to look for one


@dataclass(frozen=True, eq=False)
class Planted:
    """A mistake in one of the source's recurrent layers.

    place, words: where it is and what.  number: of the layer's call.
    change: what the layer then emits, by what it does in the question of that number.
    """

    place: str
    words: str
    number: int
    change: Change


def place_and_cause(walk: Walk, layers: Mapping[str, RecurrentLayer], inputs: Sequence[Input]) -> str:
    """The place and the likely cause of wrong outputs, in words; empty where none is found.

    walk: without places.  layers: the source's, by name.
    """
    names = [call.layer for call in walk.own[0].calls]
    tensors = [walk.outputs(k, run, None) for k, run in enumerate(walk.own)]
    for place, given in ((f"after {names[-1]}", ()), (f"before {names[0]}", inputs)) if names else ():
        if cause := cause_of(walk, 0, tensors, given):
            return f"{place}: {cause}"
    if not names:
        cause = cause_of(walk, 0, tensors, inputs)
        return f"the whole model: {cause}" if cause else ""
    wrong = [k for k, each in enumerate(tensors) if not are_same(each)]
    largest = sorted(wrong, key=lambda k: -tensors[k][0].target.size)[:TELLING]
    end = time.monotonic() + LONGEST
    for planted in mistakes(walk, layers):
        if time.monotonic() > end:
            break
        if largest and all(explains(walk, planted, k) for k in reversed(largest)):
            return f"{planted.place}: {planted.words}"
    return ""


def mistakes(walk: Walk, layers: Mapping[str, RecurrentLayer]) -> Iterator[Planted]:
    """Mistakes with what the layers emit, then those of the layers themselves, the common ones first."""
    names = [call.layer for call in walk.own[0].calls]
    for number, name in enumerate(names):
        after = f"between {name} and {names[number + 1]}" if number + 1 < len(names) else f"after {name}"
        for words, change in EMITTED.items():
            yield Planted(after, words.format(name), number, change)
    own = [
        (number, layers[name], mistake)
        for number, name in enumerate(names)
        if name in layers
        for mistake in possible(shown_by(layers[name], walk.own[0].calls[number]).case)
    ]
    for number, layer, mistake in sorted(own, key=lambda each: each[2].description not in COMMON):
        yield Planted(
            f"{names[number]} itself", mistake.description, number, partial(computed, layer, mistake)
        )


def computed(layer: RecurrentLayer, mistake: Mistake | None, call: Call) -> Call:
    """A call as a layer answers it that makes a mistake, or none."""
    trace = answer([mistake] if mistake else [], shown_by(layer, call).case, Engine())
    states = zip((trace.final_state, trace.final_cell_state), call.final, strict=False)
    final = tuple(mine.reshape(its.shape) for mine, its in states if mine is not None)
    if call.outputs is None:
        return replace(call, last=trace.outputs, final=final)
    return replace(call, outputs=trace.outputs, final=final)


def explains(walk: Walk, planted: Planted, k: int) -> bool:
    """Tell whether the source with a mistake answers a question as the target does."""
    try:
        emitted = {planted.number: planted.change(walk.own[k].calls[planted.number])}
        run = walk.narrow.run(walk.examples[k], emitted)
        return are_same(walk.outputs(k, run, None))
    except Exception:  # the mistake cannot be made in this model
        return False
