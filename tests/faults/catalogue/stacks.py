"""Faults of several layers on top of each other and of two directions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes.mistake import zeros_in_padding
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.engine import PLAIN
from tests.faults.faulty import Array, Memory, fault, opaque, run_cell, run_direction, run_layers, to_bits


def change_between_layers(case: Case, change: Callable[[Array], Array]) -> Trace:
    """Change the inputs of all layers but the first."""

    def run(direction: Direction, inputs: Array) -> Any:
        first = inputs is case.inputs
        return run_direction(case, direction, inputs if first else change(inputs).astype(case.dtype))

    return opaque(run_layers(case, run))


@fault("stacks", remembers=True)
def stacks_dropout_left_on(case: Case, memory: Memory) -> Trace:
    rng = memory.setdefault("rng", np.random.default_rng(0))
    return change_between_layers(case, lambda outputs: outputs * (rng.random(outputs.shape) < 0.9) / 0.9)


@fault("stacks")
def stacks_dropout_not_random(case: Case) -> Trace:
    """Drop the same units every time, which no repetition shows."""
    return change_between_layers(case, lambda outputs: outputs * (np.arange(outputs.shape[-1]) != 1))


@fault("stacks", explained="only as exact as")
def stacks_outputs_between_rounded_to_bfloat16(case: Case) -> Trace:
    return change_between_layers(case, lambda outputs: to_bits(outputs, 8))


@fault("stacks")
def stacks_lengths_ignored_above(case: Case) -> Trace:
    whole = replace(zeros_in_padding(case), lengths=None, mask=None)

    def run(direction: Direction, inputs: Array) -> Any:
        return run_direction(case if inputs is case.inputs else whole, direction, inputs)

    return opaque(replace(run_layers(case, run), outputs=run_layers(case).outputs))


@fault("stacks")
def stacks_second_layer_reset_every_16_steps(case: Case) -> Trace:
    def step(t: int, x: Array, state: State, weights: Weights) -> State:
        state = tuple(0 * each for each in state) if t and t % 16 == 0 else state
        return case.step(x, state, weights)

    def run(direction: Direction, inputs: Array) -> Any:
        ran = PLAIN.run(case, direction, inputs, None if inputs is case.inputs else step)
        return ran.outputs, ran.final

    return opaque(run_layers(case, run))


@fault("stacks", cell="lstm")
def stacks_lstm_layers_fed_the_cell_state(case: Case) -> Trace:
    """Give the layer above tanh(c) for h."""
    if case.layers == 1 or case.merge_mode:
        return run_cell(case)

    def run(direction: Direction, inputs: Array) -> Any:
        _, final = run_direction(case, direction, inputs)
        return np.where(case.valid[..., None], np.tanh(final[1])[:, None], 0).astype(case.dtype), final

    right = run_cell(case)
    return replace(right, final_state=run_layers(case, run).final_state)


@fault("directions")
def directions_backward_fed_the_forward_outputs(case: Case) -> Trace:
    """Run the two directions as if they were a stack."""
    forward: list[Array] = []

    def run(direction: Direction, inputs: Array) -> Any:
        if case.merge_mode and direction.reverse and inputs.shape[-1] == case.hidden_size:
            inputs = forward[-1]
        outputs, final = run_direction(case, direction, inputs)
        forward.append(outputs)
        return outputs, final

    return opaque(run_layers(case, run))
