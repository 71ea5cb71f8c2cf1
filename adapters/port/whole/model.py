"""A whole model as it is asked here: all of it, and what its recurrent layers got and gave meanwhile."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.live.calling import as_numpy
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.reference.oracle.validation import Array

SCAN = "scan "  # begins the name of a layer that has none


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a recurrent layer within a model, in the reference's form whatever the framework's is.

    layer: its name.  inputs (batch, time, D).
    initial, final: a state of each kind, (layers·directions, batch, H), h before c; none where the layer
    was given or gave none.
    outputs (batch, time, H): None where it gave only `last`, (batch, H).
    lengths (batch,): of padded rows, where the layer was told.
    mask (batch, time): of steps, true where one counts, where it was told other ones than the first.
    unnamed: whether it is one layer, of one direction or two, that may have no weights to read, nor a name
    but SCAN and a number.
    """

    layer: str
    inputs: Array
    initial: tuple[Array, ...] = ()
    outputs: Array | None = None
    last: Array | None = None
    final: tuple[Array, ...] = ()
    lengths: Array | None = None
    mask: Array | None = None
    unnamed: bool = False

    @property
    def padding(self) -> dict[str, Array]:
        """What it was told of padding, as the arguments of a case; empty where all steps count."""
        told = {"lengths": self.lengths, "mask": self.mask}
        return {name: np.asarray(array) for name, array in told.items() if array is not None}

    def counting(self, steps: int) -> Array:
        """The first steps that count (batch, steps), true; all of its own where it was told none."""
        valid = self.mask
        if valid is None:
            rows, time = self.inputs.shape[:2]
            valid = steps_before(np.full(rows, time) if self.lengths is None else self.lengths, steps)
        return np.pad(valid, [(0, 0), (0, max(0, steps - valid.shape[1]))])[:, :steps]


@dataclass(frozen=True, eq=False)
class Run:
    """What a model answered: its output arrays, and the calls of its recurrent layers, in their order."""

    outputs: tuple[Array, ...]
    calls: tuple[Call, ...] = ()


class Inner(NamedTuple):
    """The answer of a layer that is not recurrent.

    name: the layer's.  array: its only one.  calls: the number of calls of recurrent layers before.
    """

    name: str
    array: Array
    calls: int


# What a recurrent layer is made to emit instead of its own, by the number of the call.
Emitted = Mapping[int, Call]


class WholeModel(Protocol):
    """A model that can be asked as a whole.

    layers: the recurrent ones that can be read.
    """

    layers: Mapping[str, RecurrentLayer]

    @property
    def unread(self) -> Mapping[str, str]:
        """The recurrent layers that are watched and cannot be read, by name, and why."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of how it is asked, in words."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Its input specification; empty where it has none."""

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example; the recurrent layers emit what `emitted` says, where it says so."""

    def again(self, example: Example) -> Run:
        """The outputs for an example, nothing being forgotten of what was asked before."""

    def in_float(self, bits: int) -> "WholeModel":
        """The same model in float32 or float64. Raises what it raises where that cannot be made."""

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """The answers of the layers that are not recurrent, in their order; none where they are not seen."""

    def behind(self, example: Example, call: int | None, tensor: int) -> Collection[int] | None:
        """The numbers of the answers, as `inner` gives them, that a tensor is made of; None if not known.

        call: the number of a recurrent layer's call, None for the model's outputs.
        tensor: 0 for the sequence that this is given, then its initial states; or the number of the output.
        """

    def parameters(self) -> Mapping[str, Array]:
        """The arrays beside those of its recurrent layers, by name; none where they are not seen."""

    def alone(self, layer: str) -> Any:
        """One of its recurrent layers, as a live model of its own."""

    def facts(self) -> Facts:
        """The declared errors of its framework."""


@dataclass
class Recorder:
    """Keeps the calls of recurrent layers during one run, and replaces what they emit.

    upset: the number of the answer, of a layer that is not recurrent, that is replaced by another; or none.
    """

    emitted: Emitted
    upset: int | None = None
    calls: list[Call] = field(default_factory=list)
    inner: list[Inner] = field(default_factory=list)

    @property
    def instead(self) -> Call | None:
        """What is to be emitted at the next call, None for the layer's own."""
        return self.emitted.get(len(self.calls))

    def add(self, call: Call) -> Call | None:
        """Keep a call; returns what is to be emitted instead of it."""
        instead = self.instead
        self.calls.append(call)
        return instead

    def add_inner(self, name: str, answer: Any) -> Any:
        """Keep the answer of a layer that is not recurrent, where it is one array; returns what it gives."""
        arrays = list(arrays_in(answer))
        if len(arrays) != 1:
            return answer
        array = as_numpy(arrays[0]).copy()
        self.inner.append(Inner(name, array, len(self.calls)))
        is_upset = len(self.inner) - 1 == self.upset and arrays[0] is answer and array.dtype.kind == "f"
        return answer * answer + answer if is_upset else answer  # which no normalisation undoes


def steps_before(lengths: Array, time: int) -> Array:
    """The steps that count (batch, time), true, of rows of some lengths."""
    return np.asarray(np.arange(time) < np.asarray(lengths)[:, None])


def told_by(mask: Array | None) -> tuple[Array | None, Array | None]:
    """The lengths and the mask of a call by a mask (batch, time): lengths where that is of rows' ends."""
    if mask is None:
        return None, None
    valid = mask.astype(bool)
    lengths: Array = valid.sum(axis=1)
    return (lengths, None) if (valid == steps_before(lengths, valid.shape[1])).all() else (None, valid)


def ends_of(valid: Array) -> tuple[Array, Array]:
    """The first and the last step of each row that counts, by those that do (batch, time)."""
    return valid.argmax(axis=1), valid.shape[1] - 1 - valid[:, ::-1].argmax(axis=1)


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


def readable(
    layers: Mapping[str, Any], read: Callable[[str, Any], RecurrentLayer]
) -> dict[str, RecurrentLayer]:
    """The layers that can be read, by name; the others are left out, and no model fails by them."""
    found = {}
    for name, layer in layers.items():
        with suppress(InvalidModel):
            found[name] = read(name, layer)
    return found
