"""The recurrent layers of two models beside each other, in the order in which they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer, stacked
from rnn_lockstep.adapters.port.whole.model import SCAN, Call, Emitted
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True)
class Place:
    """A recurrent layer of the target's beside the source's; several calls where one end has a stack as one.

    source, target: the numbers of the calls.  name: as the target has it.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    name: str


def places(
    source: Sequence[Call],
    target: Sequence[Call],
    source_layers: Mapping[str, RecurrentLayer],
    target_layers: Mapping[str, RecurrentLayer],
) -> list[Place] | None:
    """The layers of both models beside each other; None where they are not the same number of layers."""
    found, mine, its = [], list(range(len(source))), list(range(len(target)))
    while mine and its:
        ours, theirs = [mine.pop(0)], [its.pop(0)]
        while (difference := depth(source, ours, source_layers) - depth(target, theirs, target_layers)) != 0:
            behind, rest = (theirs, its) if difference > 0 else (ours, mine)
            if not rest:
                return None
            behind.append(rest.pop(0))
        if any(
            target[k].unnamed and not fits(target[k], source_layers[source[n].layer])
            for k in theirs
            for n in ours
        ):
            return None
        names = [target[k].layer for k in theirs]
        if any(name.startswith(SCAN) for name in names):
            names = [source[k].layer for k in ours]
        name = "+".join(names)
        found.append(Place(tuple(ours), tuple(theirs), name))
    return None if mine or its or not found else found


def depth(calls: Sequence[Call], numbers: Sequence[int], layers: Mapping[str, RecurrentLayer]) -> int:
    """The number of layers that some calls are of."""
    found = [layers.get(calls[k].layer) for k in numbers]
    return sum(1 if layer is None else layer.layers for layer in found)


def fits(call: Call, layer: RecurrentLayer) -> bool:
    """Tell whether a call that is known by its arrays alone can be one of a layer."""
    if layer.reverse or layer.merge_mode not in (None, "concat") or not call.initial:
        return False
    shape = (layer.directions, layer.hidden_size)
    return len(call.initial) == len(layer.record.states) and call.initial[0].shape[::2] == shape


def layer_of(
    calls: Sequence[Call], numbers: Sequence[int], layers: Mapping[str, RecurrentLayer]
) -> RecurrentLayer | None:
    """The layer that some calls are of; None where one cannot be read.

    Raises ValueError where they are none together.
    """
    parts = [layer for k in numbers if (layer := layers.get(calls[k].layer)) is not None]
    if len(parts) < len(numbers):
        return None
    return parts[0] if len(parts) == 1 else stacked(parts)


def as_one(calls: Sequence[Call], numbers: Sequence[int]) -> Call:
    """Calls of layers on top of each other as a call of one."""
    parts = [calls[k] for k in numbers]
    first, last = parts[0], parts[-1]
    return Call(
        "+".join(part.layer for part in parts),
        first.inputs,
        joined([part.initial for part in parts]),
        last.outputs,
        last.last,
        joined([part.final for part in parts]),
        first.lengths,
        first.mask,
        any(part.unnamed for part in parts),
    )


def joined(states: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    """The states of several calls, cell after cell; none where one of them has none."""
    if not all(states):
        return ()
    return tuple(np.concatenate(kind) for kind in zip(*states, strict=True))


def emitted(
    found: Sequence[Place], source: Sequence[Call], target: Mapping[int, Call], cells: Mapping[str, int]
) -> Emitted:
    """What the source's layers are to emit: the target's, by the number of the source's call.

    target: the target's call as one, by the number of the place.  cells: the cells of each source's layer.
    """
    made: dict[int, Call] = {}
    for k, place in enumerate(found):
        call, begin = target[k], 0
        for number in place.source:
            end = begin + cells[source[number].layer]
            final = tuple(state[begin:end] for state in call.final)
            is_last = number == place.source[-1]
            outputs, last = (call.outputs, call.last) if is_last else (None, None)
            outputs = as_long_as(outputs, source[number].outputs)
            if source[number].padding and not call.padding:  # it has run on over padding
                last, final = None, ()
            made[number] = Call(call.layer, call.inputs, (), outputs, last, final)
            begin = end
    return made


def as_long_as(outputs: Array | None, own: Array | None) -> Array | None:
    """Outputs with as many steps as a layer's own, which follow where there are fewer.

    Packed rows end with the longest; what is padding beyond that tells nothing.
    """
    if outputs is None or own is None or outputs.shape[1] == own.shape[1]:
        return outputs
    steps = min(outputs.shape[1], own.shape[1])
    return np.concatenate([outputs[:, :steps], own[:, steps:].astype(outputs.dtype)], axis=1)
