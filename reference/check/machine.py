"""Machines: what the layers of a case, right or mistaken, are run on.

The same lines give three things. On a `Plain` machine arrays in the case's dtype: a backend. On a `Free`
one `Rounded` arrays, whose errors are carried from the first step to the last. On a `Forced` one the same,
but each step begins from the state that a backend has shown, so that errors do not add up: the one-step
check of a backend against whatever the lines say (in machine learning, teacher forcing).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.check.prediction import (
    as_observed,
    observed_outputs,
    rounded,
    states_before,
    step_by_step,
)
from rnn_lockstep.reference.oracle.case import Case, Pass
from rnn_lockstep.reference.oracle.layer import State, unroll
from rnn_lockstep.reference.oracle.stack import assembled, layers_and_finals
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

Step = Callable[[int, Any, State, Any], State]  # t, x_t, state, weights -> the next state
# direction, inputs, and another step or case where it is to be another -> outputs and final state of a cell
Go = Callable[..., tuple[Any, State]]
Cell = Callable[[Go, Pass, Any], tuple[Any, State]]  # the same, for a `Go` of the machine


class Plain:
    """Arrays in the case's dtype."""

    def run(self, case: Case, step: Step | None = None, cell: Cell | None = None) -> Trace:
        """The layers of a case.

        step: another step than the case's.  cell: another way to run a cell, by means of the right one.
        """

        def go(
            direction: Pass, inputs: Any, other_step: Step | None = None, other: Case | None = None
        ) -> tuple[Any, State]:
            return self.cell(other or case, direction, inputs, other_step or step)

        run = go if cell is None else lambda direction, inputs: cell(go, direction, inputs)
        return assembled(case, *layers_and_finals(case, run, self.array(case.inputs)))

    def array(self, array: Array) -> Any:
        return array

    def cell(self, case: Case, direction: Pass, inputs: Any, step: Step | None = None) -> tuple[Any, State]:
        """One cell looped over time."""
        times = iter(range(case.time)[:: -1 if direction.reverse else 1])

        def next_state(x_t: Any, state: State) -> State:
            t = next(times)
            if step is None:
                return case.step(x_t, state, direction.weights)
            return step(t, x_t, state, direction.weights)

        valid = case.valid if case.padded else None
        return unroll(next_state, inputs, direction.start, valid, direction.reverse)


class Free(Plain):
    """Arrays with errors, as of a backend with this arithmetic."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic

    def array(self, array: Array) -> Rounded:
        return Rounded(array, self.arithmetic)

    def with_errors(self, direction: Pass) -> Pass:
        weights = rounded(direction.weights, self.arithmetic)
        return direction._replace(weights=weights, start=tuple(map(self.array, direction.start)))

    def cell(self, case: Case, direction: Pass, inputs: Any, step: Step | None = None) -> tuple[Any, State]:
        return super().cell(case, self.with_errors(direction), inputs, step)


class Forced(Free):
    """Arrays with errors, where each step begins from the state before that `trace` shows.

    case, trace: what a backend was asked and what it answered.
    """

    def __init__(self, arithmetic: Arithmetic, case: Case, trace: Trace) -> None:
        super().__init__(arithmetic)
        self.observed: dict[str, Array] = {}
        for k, layer in enumerate(case.passes):
            outputs = observed_outputs(case, trace, k)
            if outputs is not None and case.merge_mode in (None, "concat"):
                parts = np.split(outputs, case.directions, axis=-1)
                self.observed |= {direction.name: part for direction, part in zip(layer, parts, strict=True)}

    def cell(self, case: Case, direction: Pass, inputs: Any, step: Step | None = None) -> tuple[Any, State]:
        observed = self.observed.get(direction.name)
        if observed is None or observed.shape != (case.batch, case.time, case.hidden_size):
            return super().cell(case, direction, inputs, step)
        if step is None:
            walk = step_by_step(case, direction, inputs, observed, self.arithmetic)
            first, *rest = walk.final
            return walk.outputs, (self.array(first), *rest)
        return self.steps(case, self.with_errors(direction), inputs, observed, step)

    def steps(
        self, case: Case, direction: Pass, inputs: Any, observed: Array, step: Step
    ) -> tuple[Any, State]:
        """The cell with another step."""
        way = slice(None, None, -1 if direction.reverse else 1)
        h0 = direction.start[0].value.astype(observed.dtype)
        states = states_before(h0, observed[:, way], case.valid[:, way])
        outputs: Any = np.empty_like(direction.start[0], shape=observed.shape)
        rest = direction.start[1:]
        for k, t in enumerate(range(case.time)[way]):
            counts: Any = case.valid[:, t, None]
            h = as_observed(states[:, k], self.arithmetic)
            new, *others = step(t, inputs[:, t], (h, *rest), direction.weights)
            outputs[:, t] = np.where(counts, new, 0)
            rest = tuple(np.where(counts, n, old) for n, old in zip(others, rest, strict=True))
        return outputs, (self.array(states[:, -1]), *rest)
