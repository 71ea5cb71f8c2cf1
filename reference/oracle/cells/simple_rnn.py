"""The simple (Elman) RNN: h' = activation(W·x_t + b + U·h + recurrent_b).

Source: Elman (1990), "Finding Structure in Time"; the seed notebook's W·x_t + U·h + b.
"""

from typing import Any

from rnn_lockstep.reference.oracle.cells.parts import (
    Cell,
    Gates,
    Options,
    State,
    StepCotangents,
    Weights,
    input_sum,
    names,
    recurrent_sum,
)


def activated(x_t: Any, h: Any, weights: Weights, options: Options) -> Gates:
    """The only gate, which is the next state."""
    return [options.candidate(input_sum(x_t, weights) + recurrent_sum(h, weights))]


def output(gates: Gates, h: Any, c: None, weights: Weights, options: Options) -> Any:
    """The next state."""
    return gates[0]


def step_back(x_t: Any, state: State, weights: Weights, cotangent: State, options: Options) -> StepCotangents:
    """One step backwards: dz = dh'∘activation'(z), dh = Uᵀ·dz."""
    [new] = activated(x_t, state[0], weights, options)
    z = options.candidate.through(cotangent[0], new)
    return StepCotangents((z @ weights.U,), z, z)


CELL = Cell("simple_rnn", ("h",), {"activation": names("tanh")}, activated, output, step_back)
