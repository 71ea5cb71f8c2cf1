"""Long short-term memory, with an optional projection of its output.

i, f, o = recurrent_activation(W·x_t + b + U·h + recurrent_b),  g = activation of its own part
c' = f∘c + i∘g
h' = o∘activation(c'), or projection·(o∘activation(c'))

With input_forget the two gates are one: f = 1 - i, and the rows of f count for nothing.

Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000); the projection of
Sak et al. (2014), arXiv:1402.1128; coupled gates as in Greff et al. (2017), arXiv:1503.04069, and ONNX.
"""

from typing import Any

import numpy as np

from rnn_lockstep.reference.oracle.cells.parts import (
    Cell,
    Gates,
    Options,
    State,
    StepCotangents,
    Weights,
    bounded,
    input_sum,
    names,
    recurrent_sum,
    split,
    with_rest,
)


def activated(x_t: Any, h: Any, weights: Weights, options: Options) -> Gates:
    """The gates i, f and o with the candidate g between them, as i, f, g, o."""
    gate, candidate = options.gate, options.candidate
    i, f, g, o = split(input_sum(x_t, weights) + recurrent_sum(h, weights), 4)
    of_i = gate(i)
    of_f = 1 - with_rest(of_i, options) if options.input_forget else gate(f)
    return [of_i, of_f, candidate(g), gate(o)]


def next_cell_state(gates: Gates, c: Any, weights: Weights, options: Options) -> Any:
    """The next cell state f∘c + i∘g."""
    i, f, g, _ = gates
    return f * c + i * g


def output(gates: Gates, h: Any, c: Any, weights: Weights, options: Options) -> Any:
    """The next state h = o∘activation(c), projected where there is a projection."""
    hidden = gates[3] * options.output(c)
    return hidden if weights.projection is None else hidden @ weights.projection.T


def step_back(x_t: Any, state: State, weights: Weights, cotangent: State, options: Options) -> StepCotangents:
    """One step backwards, from c' to c and from h' to h, with s = activation(c').

    dh' = projectionᵀ·dh' where there is a projection
    dc' gains dh'∘o∘s', by way of h'; then, with the derivatives of the gates' activations,
    di = dc'∘g∘i',  df = dc'∘c∘f',  dg = dc'∘i∘g',  do = dh'∘s∘o'
    dc = dc'∘f,  dh = Uᵀ·(di, df, dg, do)
    With input_forget di = dc'∘(g - c)∘i' and df = 0.
    """
    h, c = state
    gate, candidate = options.gate, options.candidate
    gates = activated(x_t, h, weights, options)
    i, f, g, o = gates
    squashed = options.output(next_cell_state(gates, c, weights, options))
    of_h, of_c = cotangent
    projected = None
    if weights.projection is not None:
        of_h, projected = of_h @ weights.projection, o * squashed
    of_c = of_c + options.output.through(of_h * o, squashed)
    parts = [
        *gates_back(of_c, c, i, f, g, options),
        candidate.through(of_c * i, g),
        gate.through(of_h * squashed, o),
    ]
    sums = np.concatenate(parts, axis=-1)
    return StepCotangents((sums @ weights.U, of_c * f), sums, sums, projected)


def gates_back(of_c: Any, c: Any, i: Any, f: Any, g: Any, options: Options) -> tuple[Any, Any]:
    """The cotangents of the sums of i and f, from that of c', the old c and the gates."""
    through = options.gate.through
    if options.input_forget:
        return through(of_c * g - of_c * c, i), 0 * of_c
    return through(of_c * g, i), through(of_c * c, f)


CELL = Cell(
    "lstm",
    ("i", "f", "g", "o"),
    {"activation": names("tanh"), "recurrent_activation": names("sigmoid")},
    activated,
    output,
    step_back,
    next_cell_state,
    bounded=lambda options: bounded(options.activation) and bounded(options.recurrent_activation),
    projects=True,
)
