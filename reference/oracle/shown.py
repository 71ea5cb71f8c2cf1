"""The states that a backend has shown in its answer, from which its next steps are predicted."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array


class Reading(NamedTuple):
    """The ways to take an array of a case or of an answer as one to compute with.

    exact: as it is; what has been taken so already stays.
    kept: as a state that the next step goes on from, of which a backend has shown a rounded copy.
    merged: as a state whose rounded copy is merged with another one's.
    """

    exact: Callable[[Array], Any]
    kept: Callable[[Array], Any]
    merged: Callable[[Array], Any]


def as_float64(array: Array) -> Array:
    """The array in float64."""
    return np.asarray(array, np.float64)


PLAINLY = Reading(as_float64, as_float64, as_float64)


def with_error(arithmetic: Arithmetic) -> Reading:
    """The ways to take an array as one that carries the error of a backend with this arithmetic."""

    def exact(array: Array) -> Any:
        return array if isinstance(array, Rounded) else Rounded(array, arithmetic)

    def kept(state: Array) -> Any:
        return Rounded(state, arithmetic, arithmetic.kept_error(np.asarray(state, np.float64)))

    def merged(state: Array) -> Any:
        return Rounded(state, arithmetic, arithmetic.shown_error(np.asarray(state, np.float64)))

    return Reading(exact, kept, merged)


class Shown:
    """The outputs of each layer and direction, and the final states, that a backend answered to a case.

    Each can be asked for a changed case too; what has another form there is None.
    """

    def __init__(self, case: Case, trace: Trace, reading: Reading) -> None:
        self.reading = reading
        self.final_state = trace.final_state
        outputs: list[Any] = list(trace.hidden_outputs) or [None] * (case.layers - 1)
        outputs.append(trace.outputs if case.return_sequences else None)
        self.by_layer = outputs
        self.by_direction: dict[str, Array] = {}
        if case.merge_mode in (None, "concat"):  # or else the directions cannot be told apart
            for layer, shown in zip(case.passes, outputs, strict=True):
                if shown is not None:
                    parts = np.split(shown, case.directions, axis=-1)
                    self.by_direction |= {d.name: part for d, part in zip(layer, parts, strict=True)}

    def outputs(self, case: Case, direction: Direction) -> Array | None:
        """The outputs of one direction, (batch, time, H)."""
        return fitting(self.by_direction.get(direction.name), (case.batch, case.time, case.output_size))

    def layer_outputs(self, case: Case, layer: int) -> Any | None:
        """The outputs of a layer, (batch, time, features), as the next one has them."""
        shown = self.by_layer[layer] if layer < len(self.by_layer) else None
        shown = fitting(shown, (case.batch, case.time, case.features))
        return None if shown is None else self.reading.kept(shown)

    def last_states(self, case: Case) -> list[Any] | None:
        """The final states h of the last layer's directions; exact where they are copied to the output.

        Merged, they are few terms: what they lost when they were shown is as much as the merging may lose.
        """
        if fitting(self.final_state, case.state_shape) is None:
            return None
        states = case.by_cell(self.final_state)[-case.directions :]
        copied = case.merge_mode in (None, "concat")
        return [self.reading.exact(state) if copied else self.reading.merged(state) for state in states]


def fitting(array: Any, shape: tuple[int, ...]) -> Array | None:
    """Return an array if it has this shape, and None otherwise."""
    return array if array is not None and array.shape == shape else None


def states_before(h0: Array, outputs: Array, valid: Array) -> Array:
    """The state before each step and, last, the final one, (batch, time + 1, H).

    That is the output of the last step before that counts, or the initial state.
    """
    states = np.concatenate([h0[:, None], outputs], axis=1)
    if valid.all():
        return states
    counted = np.where(valid, np.arange(1, valid.shape[1] + 1), 0)
    last = np.maximum.accumulate(np.pad(counted, ((0, 0), (1, 0))), axis=1)
    return np.take_along_axis(states, last[..., None], axis=1)
