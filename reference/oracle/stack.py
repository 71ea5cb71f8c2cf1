"""Layers on top of each other, each of one direction or of two side by side."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.reference.oracle.case import Case, Pass
from rnn_lockstep.reference.oracle.layer import MERGE_MODES, State, unroll
from rnn_lockstep.reference.oracle.trace import Trace

# (direction, inputs) -> outputs (batch, time, H) and the final state of one cell
Run = Callable[[Pass, Any], tuple[Any, State]]


def run_layers(case: Case, run: Run | None = None) -> Trace:
    """The answer to a case, from the formulas of `reference.oracle.cells`, in the dtype that these come to.

    run: how each cell is run, by default as it should be.
    """
    trace = assembled(case, *layers_and_finals(case, run or partial(run_cell, case), case.inputs))
    arrays = (np.asarray(array) for array in (trace.outputs, *trace.states))
    return Trace(*arrays, hidden_outputs=tuple(np.asarray(array) for array in trace.hidden_outputs))


def layers_and_finals(case: Case, run: Run, inputs: Any) -> tuple[list[Any], list[State]]:
    """The outputs of each layer, and the final state of each cell, in the arithmetic of `inputs`."""
    layers: list[Any] = [inputs]
    finals: list[State] = []
    for layer in case.passes:
        results = [run(direction, layers[-1]) for direction in layer]
        layers.append(merge(case, [outputs for outputs, _ in results]))
        finals += [final for _, final in results]
    return layers[1:], finals


def assembled(case: Case, layers: Sequence[Any], finals: Sequence[State]) -> Trace:
    """The answer to a case from the outputs of its layers and the final states of its cells."""
    *hidden, outputs = layers
    if not case.return_sequences:
        last = merge(case, [state[0] for state in finals[-case.directions :]])
        outputs = np.where(case.valid.any(axis=1, keepdims=True), last, 0)
    states = (np.concatenate(parts, axis=0) for parts in zip(*finals, strict=True))
    whole = (state.reshape(*case.state_shape) for state in states)
    return Trace(outputs, *whole, hidden_outputs=tuple(hidden))


def run_cell(case: Case, direction: Pass, inputs: Any) -> tuple[Any, State]:
    """One cell looped over time, in the arithmetic of weights, inputs and state."""
    step = partial(case.step, weights=direction.weights)
    valid = case.valid if case.padded else None
    return unroll(step, inputs, direction.start, valid, direction.reverse)


def merge(case: Case, outputs: Sequence[Any]) -> Any:
    """A layer's outputs from those of its directions."""
    return MERGE_MODES[case.merge_mode](*outputs) if case.merge_mode else outputs[0]
