"""The scans of a program as recurrent layers of one direction or of two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn_lockstep.adapters.port.whole.jax_program import Scan
from rnn_lockstep.adapters.port.whole.jax_scans import Roles, by_row, call_of, emitting, roles_of
from rnn_lockstep.adapters.port.whole.model import SCAN, Call, Recorder
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True)
class Layer:
    """One or two scans of a program that are a recurrent layer, by their numbers, forward before backward.

    turned: whether the backward one is given its inputs in the other order of time.
    """

    scans: tuple[int, ...]
    turned: bool = False


@dataclass(frozen=True)
class Structure:
    """The recurrent layers of a program, which are the same for inputs of all sizes.

    count: of its scans, those which are no layer among them.  roles: of the arrays of those that are.
    """

    count: int
    roles: Mapping[int, Roles]
    layers: Sequence[Layer]


def structure_of(scans: Sequence[Scan], lengths: Array | None) -> Structure:
    """The recurrent layers that scans are. Two of the same inputs, one in the other order, are one layer."""
    every = {n: roles for n, scan in enumerate(scans) if (roles := roles_of(scan)) is not None}
    numbers, layers = list(every), list[Layer]()
    while numbers:
        first, *numbers = numbers
        layer = both(scans, every, first, numbers[0], lengths) if numbers else None
        numbers = numbers[0 if layer is None else 1 :]
        layers.append(layer or Layer((first,)))
    return Structure(len(scans), every, layers)


def both(
    scans: Sequence[Scan], roles: Mapping[int, Roles], first: int, second: int, lengths: Array | None
) -> Layer | None:
    """Two scans as the directions of one layer; None where they are not."""
    one, other = (by_row(scans[n].steps[roles[n].inputs]) for n in (first, second))
    kinds = {(len(roles[n].states), scans[n].end[roles[n].states[0]].shape) for n in (first, second)}
    if one.shape != other.shape or len(kinds) > 1 or one.shape[1] < 2:
        return None
    back = [bool(scans[n].equation.params["reverse"]) for n in (first, second)]
    if np.array_equal(one, other):
        if back[0] == back[1]:
            return None
        return Layer((second, first) if back[0] else (first, second))
    if any(back) or order_between(one, other, lengths) is None:
        return None
    return Layer((first, second), turned=True)


def order_between(one: Array, other: Array, lengths: Array | None) -> Array | None:
    """The steps (batch, time) of one array that another has, if it has each row in the other order of time.

    All of a row, or the part of it that counts. None where neither is so.
    """
    rows, time = one.shape[:2]
    for ends in ([] if lengths is None else [np.asarray(lengths)[:, None]]) + [np.full((rows, 1), time)]:
        steps = np.arange(time)[None]
        order = np.where(steps < ends, ends - 1 - steps, steps)
        if np.array_equal(
            in_order(one, order)[steps < ends], other[np.broadcast_to(steps < ends, (rows, time))]
        ):
            return order
    return None


def in_order(array: Array, order: Array) -> Array:
    """The steps of an array (batch, time, size) in another order (batch, time)."""
    return np.take_along_axis(array, order[..., None], axis=1)


class Watcher:
    """Watches the scans of one run of a program, and makes its layers emit what a recorder says.

    structure: None where it is to be found by this run.
    """

    def __init__(self, structure: Structure | None, recorder: Recorder, lengths: Array | None) -> None:
        self.structure, self.recorder, self.lengths = structure, recorder, lengths
        self.scans: list[Scan] = []
        places = [] if structure is None else structure.layers
        self.places = {n: (k, d) for k, layer in enumerate(places) for d, n in enumerate(layer.scans)}

    def __call__(self, scan: Scan) -> tuple[Sequence[object], Sequence[object]] | None:
        """Keep a scan; returns what it is to emit."""
        self.scans.append(scan)
        number = len(self.scans) - 1
        if self.structure is None or number not in self.places:
            return None
        layer, direction = self.places[number]
        instead = self.recorder.emitted.get(layer)
        if instead is None:
            return None
        return emitting(scan, self.structure.roles[number], self.part_of(instead, layer, direction))

    def part_of(self, instead: Call, number: int, direction: int) -> Call:
        """What one direction of a layer is to emit, of what the layer is to."""
        assert self.structure is not None
        layer = self.structure.layers[number]
        final = tuple(state[direction : direction + 1] for state in instead.final)
        outputs = instead.outputs
        if outputs is not None:
            outputs = np.split(outputs, len(layer.scans), axis=-1)[direction]
        if outputs is not None and layer.turned and direction:
            order = self.order_of(layer)
            outputs = in_order(outputs, order)
        return replace(instead, outputs=outputs, final=final)

    def order_of(self, layer: Layer) -> Array:
        """The order of the steps that the backward direction of a layer is given. Raises ValueError."""
        assert self.structure is not None
        inputs = [by_row(self.scans[n].steps[self.structure.roles[n].inputs]) for n in layer.scans]
        order = order_between(inputs[0], inputs[1], self.lengths)
        if order is None:
            raise ValueError("the directions of a layer are not given the same inputs")
        return order

    def calls(self, names: Sequence[str] = ()) -> list[Call]:
        """The calls of all layers, by their names where these are known.

        Raises ValueError where the program has not the structure that it had.
        """
        if self.structure is None:
            self.structure = structure_of(self.scans, self.lengths)
        if self.structure.count != len(self.scans):
            raise ValueError("it has another number of scans than with other inputs")
        layers = self.structure.layers
        names = names or [f"{SCAN}{k + 1}" for k in range(len(layers))]
        return [self.call(*each) for each in zip(names, layers, strict=True)]

    def call(self, name: str, layer: Layer) -> Call:
        """The call of one layer."""
        assert self.structure is not None
        parts = [call_of(self.scans[n], self.structure.roles[n], name) for n in layer.scans]
        found = parts[0]
        if len(parts) == 2:
            found = joined(parts[0], parts[1], self.order_of(layer) if layer.turned else None)
        if self.lengths is not None and not found.padding:  # then it ends after the padding
            found = replace(found, final=())
        return found


def joined(forward: Call, backward: Call, order: Array | None) -> Call:
    """The calls of two directions as one.

    order: of the steps that the backward one has, where it is another.
    """
    outputs = last = None
    if forward.outputs is not None and backward.outputs is not None:
        its = backward.outputs if order is None else in_order(backward.outputs, order)
        outputs = np.concatenate([forward.outputs, its], axis=-1)
    elif forward.last is not None and backward.last is not None:
        last = np.concatenate([forward.last, backward.last], axis=-1)
    else:
        raise ValueError("only one of the directions of a layer gives its outputs")
    initial, final = (
        tuple(map(np.concatenate, zip(*kinds, strict=True)))
        for kinds in ((forward.initial, backward.initial), (forward.final, backward.final))
    )
    return replace(forward, initial=initial, outputs=outputs, last=last, final=final)
