"""A whole model as it is asked here: all of it, and what its recurrent layers got and gave meanwhile."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a recurrent layer within a model, in the reference's form whatever the framework's is.

    layer: its name.  inputs (batch, time, D).
    initial, final: a state of each kind, (layers·directions, batch, H), h before c; none where the layer
    was given or gave none.
    outputs (batch, time, H): None where it gave only `last`, (batch, H).
    lengths (batch,): of padded rows, where the layer was told.
    unnamed: whether it is one layer, of one direction or two, that may have no name and no weights to read.
    """

    layer: str
    inputs: Array
    initial: tuple[Array, ...] = ()
    outputs: Array | None = None
    last: Array | None = None
    final: tuple[Array, ...] = ()
    lengths: Array | None = None
    unnamed: bool = False


@dataclass(frozen=True, eq=False)
class Run:
    """What a model answered: its output arrays, and the calls of its recurrent layers, in their order."""

    outputs: tuple[Array, ...]
    calls: tuple[Call, ...] = ()


# What a recurrent layer is made to emit instead of its own, by the number of the call.
Emitted = Mapping[int, Call]


class WholeModel(Protocol):
    """A model that can be asked as a whole.

    inputs: its input specification; empty where it has none.  layers: the recurrent ones that can be read.
    """

    inputs: tuple[Input, ...]
    layers: Mapping[str, RecurrentLayer]

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example; the recurrent layers emit what `emitted` says, where it says so."""

    def in_float(self, bits: int) -> "WholeModel":
        """The same model in float32 or float64. Raises what it raises where that cannot be made."""

    def alone(self, layer: str) -> Any:
        """One of its recurrent layers, as a live model of its own."""

    def facts(self) -> Facts:
        """The declared errors of its framework."""


@dataclass
class Recorder:
    """Keeps the calls of recurrent layers during one run, and replaces what they emit."""

    emitted: Emitted
    calls: list[Call] = field(default_factory=list)

    def add(self, call: Call) -> Call | None:
        """Keep a call; returns what is to be emitted instead, None for the layer's own."""
        self.calls.append(call)
        return self.emitted.get(len(self.calls) - 1)


def by_kind(states: Sequence[Array], kinds: int) -> tuple[Array, ...]:
    """States of each cell, h and c of the first before those of the next, as one array of each kind."""
    return tuple(np.stack(states[k::kinds]) for k in range(kinds)) if states else ()


def arrays_in(answer: Any) -> Iterator[Any]:
    """The arrays in any nesting of tuples, lists and dicts, without None."""
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if isinstance(answer, (tuple, list)):
        for part in answer:
            yield from arrays_in(part)
    elif answer is not None:
        yield answer


def reset(model: Any) -> None:
    """Forget the state that a model keeps between calls, where it has a method for that."""
    for name in ("reset_states", "reset_state", "reset"):
        method: Callable[[], None] | None = getattr(model, name, None)
        if callable(method):
            method()
            return


def readable(
    layers: Mapping[str, Any], read: Callable[[str, Any], RecurrentLayer]
) -> dict[str, RecurrentLayer]:
    """The layers that can be read, by name; the others are left out, and no model fails by them."""
    found = {}
    for name, layer in layers.items():
        with suppress(InvalidModel):
            found[name] = read(name, layer)
    return found
