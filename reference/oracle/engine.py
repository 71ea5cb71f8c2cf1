"""The engine: the layers of a case, evaluated by the cells' own lines in any arithmetic.

There are three ways to evaluate.
Plain, on float arrays (or exact or complex ones): the oracle.
Carried, on `Rounded` arrays: value and error travel from step to step and from layer to layer.
Step by step, on `Rounded` arrays: each step starts from the state before it that a backend has shown. Errors
do not add up, so this is as sharp at step 1000 as at step 1. In machine learning it is teacher forcing.
What a backend has not shown is carried even then: the cell state of an LSTM, whose error fades where the
forget gate is below 1, and the layers of which it shows no outputs.

A mistake is a change to the engine: another step, or another way to run a direction.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.cells import Cell, State, Weights
from rnn_lockstep.reference.oracle.layer import MERGE_MODES, unroll
from rnn_lockstep.reference.oracle.shown import Reading, Shown, states_before, with_error
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

BLOCK = 16_384  # elements predicted at a time, few enough for their gates to stay in a processor's cache

Convert = Callable[[Array], Any]  # an array of the case's dtype as one to compute with
Step = Callable[[int, Any, State, Weights], State]  # t, x_t, state, weights -> the next state
# direction, inputs and, optionally, another step and another case -> outputs and final state
RightRun = Callable[..., tuple[Any, State]]
OtherRun = Callable[[RightRun, Direction, Any], tuple[Any, State]]  # the same, by means of the right one


class Run(NamedTuple):
    """One direction of a layer, run through time.

    inputs (batch, time, D), outputs (batch, time, H) and the final state.
    observed: the outputs of a backend that the steps went on from, or None where the state was carried.
    """

    direction: Direction
    inputs: Any
    outputs: Any
    final: State
    observed: Array | None = None


class Engine:
    """Evaluates cases in one arithmetic.

    convert: makes an array of the case's dtype one to compute with; it leaves its own results as they are.
    shown: the answer of a backend from whose states each step is to begin; None to carry the state.
    cell: the record that is taken in place of the case's.
    """

    def __init__(
        self, convert: Convert = lambda array: array, shown: Shown | None = None, cell: Cell | None = None
    ) -> None:
        self.convert = convert
        self.shown = shown
        self.cell = cell

    def layers(
        self,
        case: Case,
        step: Step | None = None,
        run_direction: OtherRun | None = None,
        weights: Sequence[Weights] | None = None,
    ) -> Iterator[list[Run]]:
        """The runs of each layer, by direction, the lowest layer first.

        step: taken in place of the case's.
        run_direction: runs a direction in another way, by means of the right one.
        weights: of every cell in torch's order, in this arithmetic; the case's where omitted.
        """

        def run(
            direction: Direction, inputs: Any, other_step: Step | None = None, other_case: Case | None = None
        ) -> tuple[Any, State]:
            """Run a direction the right way, where wanted with another step or case."""
            found = self.run(other_case or case, direction, inputs, other_step or step)
            return found.outputs, found.final

        own = None if weights is None else iter(weights)
        inputs, runs = self.convert(case.inputs), list[Run]()
        for k, layer in enumerate(case.passes):
            inputs = self.outputs_below(case, k, runs) if runs else inputs
            runs = []
            for direction in layer:
                if own is not None:
                    direction = direction._replace(weights=next(own))
                if run_direction is None:
                    runs.append(self.run(case, direction, inputs, step))
                else:
                    runs.append(Run(direction, inputs, *run_direction(run, direction, inputs)))
            yield runs

    def outputs_below(self, case: Case, layer: int, runs: Sequence[Run]) -> Any:
        """The inputs of a layer above the first, from the runs of the one below."""
        seen = self.shown.layer_outputs(case, layer - 1) if self.shown else None
        return merge(case, [run.outputs for run in runs]) if seen is None else seen

    def run(self, case: Case, direction: Direction, inputs: Any, step: Step | None = None) -> Run:
        """Run one direction of a layer, from the first step to the last."""
        h0, direction = direction.start[0], self.converted(direction)
        cell = self.cell or case.record
        observed = self.shown.outputs(case, direction) if self.shown else None
        if self.shown and observed is not None:
            ran = step_by_step(case, cell, direction, h0, inputs, observed, self.shown.reading, step)
            return Run(direction, inputs, *ran, observed)

        def next_state(t: int, x_t: Any, state: State) -> State:
            if step is None:
                return cell.step(x_t, state, direction.weights, case.options)
            return step(t, x_t, state, direction.weights)

        valid = case.valid if case.padded else None
        ran = unroll(next_state, inputs, direction.start, valid, direction.reverse)
        return Run(direction, inputs, *ran)

    def converted(self, direction: Direction) -> Direction:
        """The direction with its arrays in this arithmetic."""
        weights = Weights(*(None if w is None else self.convert(w) for w in direction.weights))
        return direction._replace(weights=weights, start=tuple(map(self.convert, direction.start)))

    def answer(self, case: Case, step: Step | None = None, run_direction: OtherRun | None = None) -> Trace:
        """The whole answer to a case, its arrays in this arithmetic; step, run_direction: as for `layers`."""
        layers = list(self.layers(case, step, run_direction))
        *hidden, outputs = (merge(case, [run.outputs for run in runs]) for runs in layers)
        if not case.return_sequences:
            outputs = self.last_output(case, layers[-1])
        finals = zip(*(run.final for runs in layers for run in runs), strict=True)
        whole = [np.concatenate(parts, axis=0) for parts in finals]
        shapes = case.state_shapes
        states = (state.reshape(*shape) for state, shape in zip(whole, shapes, strict=True))
        return Trace(outputs, *states, hidden_outputs=tuple(hidden))

    def last_output(self, case: Case, runs: Sequence[Run]) -> Any:
        """The last output: the final states of the last layer merged, and zeros for a row without steps."""
        parts = [run.final[0] for run in runs]
        seen = self.shown.last_states(case) if self.shown else None
        merged = merge(case, parts if seen is None else seen)
        return np.where(case.valid.any(axis=1, keepdims=True), merged, 0)


PLAIN = Engine()


def as_arrays(trace: Trace) -> Trace:
    """The trace with plain NumPy arrays, of whatever dtype they are."""
    states = (np.asarray(state) for state in trace.states)
    hidden = tuple(np.asarray(array) for array in trace.hidden_outputs)
    return Trace(np.asarray(trace.outputs), *states, hidden_outputs=hidden)


def carried(arithmetic: Arithmetic) -> Engine:
    """The engine whose arrays carry the error of a backend with this arithmetic."""
    return Engine(with_error(arithmetic).exact)


def from_shown_states(case: Case, trace: Trace, reading: Reading, cell: Cell | None = None) -> Engine:
    """The engine that begins each step from the state which a backend showed in its answer to a case.

    cell: the record that is taken in place of the case's.
    """
    return Engine(reading.exact, Shown(case, trace, reading), cell)


def merge(case: Case, outputs: Sequence[Any]) -> Any:
    """The outputs of a layer from those of its directions."""
    return MERGE_MODES[case.merge_mode](*outputs) if case.merge_mode else outputs[0]


def step_by_step(
    case: Case,
    cell: Cell,
    direction: Direction,
    h0: Array,
    inputs: Any,
    observed: Array,
    reading: Reading,
    step: Step | None = None,
) -> tuple[Any, State]:
    """The outputs and final state of a direction whose outputs are observed, each step from the one before.

    The bound is that of one step from an exact state: a backend that holds it at each of them is right, by
    induction. The steps of a block are predicted together, but for a step other than the case's.
    h0: the initial state (batch, H), which is exact.  observed: (batch, time, H).  reading: of states.
    """
    way = slice(None, None, -1 if direction.reverse else 1)
    inputs, valid = inputs[:, way], case.valid[:, way]
    states = states_before(h0.astype(observed.dtype), observed[:, way], valid)
    cell_state = direction.start[1:]
    outputs: Any = np.empty_like(reading.exact(h0), shape=observed.shape)
    for first, end in blocks(case, 1 if step else None):
        need_time()
        x = inputs[:, first:end].reshape(-1, inputs.shape[-1])
        h: Any = reading.kept(states[:, first:end].reshape(-1, case.output_size))
        if step is None:
            some = valid[:, first:end]
            h, cell_state = steps_at_once(case, cell, x, h, cell_state, direction.weights, some)
        else:
            t = case.time - 1 - first if direction.reverse else first
            h, *new = step(t, x, (h, *cell_state), direction.weights)
            counts: Any = valid[:, first, None]
            cell_state = tuple(np.where(counts, n, old) for n, old in zip(new, cell_state, strict=True))
        outputs[:, first:end] = h.reshape(case.batch, -1, case.output_size)
    if case.padded:  # there exactly zero
        outputs = np.where(valid[..., None], outputs, 0)
    return outputs[:, way], (states[:, -1], *cell_state)


def steps_at_once(
    case: Case, cell: Cell, x: Any, h: Any, cell_state: State, weights: Weights, valid: Array
) -> tuple[Any, State]:
    """The outputs of some steps, all at once, and the cell state after them, where there is one.

    x (batch·steps, D) and h (batch·steps, H) are what each begins with, valid (batch, steps).
    The error of a cell state is carried: c' = f∘c + i∘g takes over f·error and adds that of one step.
    """
    options = case.options
    gates = cell.activated(x, h, weights, options)
    if cell.next_cell_state is None:
        return cell.output(gates, h, None, weights, options), ()
    [c] = cell_state
    gates = [gate.reshape(case.batch, -1, case.hidden_size) for gate in gates]
    new: Any = np.empty_like(c, shape=gates[0].shape)
    for t in range(valid.shape[1]):
        after = cell.next_cell_state([gate[:, t] for gate in gates], c, weights, options)
        new[:, t] = np.where(valid[:, t, None], after, c) if case.padded else after
        c = new[:, t]
    return cell.output(gates, h, new, weights, options), (c,)


def blocks(case: Case, steps: int | None) -> Iterator[tuple[int, int]]:
    """The first step of each block of so many, and the first one after it; none for an empty batch."""
    steps = steps or max(1, BLOCK // max(1, case.batch * case.hidden_size))
    for first in range(0, case.time if case.batch else 0, steps):
        yield first, min(first + steps, case.time)
