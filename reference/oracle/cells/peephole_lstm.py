"""Long short-term memory with peepholes: its gates i, f and o see the cell state as well.

i, f = recurrent_activation(W·x_t + b + U·h + recurrent_b + peepholes∘c), each with rows of its own
g = activation(W·x_t + b + U·h + recurrent_b)
c' = f∘c + i∘g
o = recurrent_activation(W·x_t + b + U·h + recurrent_b + peepholes∘c'), of the new cell state
h' = o∘activation(c')

With input_forget f = 1 - i.

Source: Gers and Schmidhuber (2000), "Recurrent nets that time and count", IJCNN; as in ONNX's LSTM with an
input P and TensorFlow's LSTMCell(use_peepholes=True).
"""

from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.oracle.cells.lstm import gates_back
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
    """The sums of i, f, g and o before their activation, without the peepholes: what needs no cell state."""
    return split(input_sum(x_t, weights) + recurrent_sum(h, weights), 4)


def first_gates(sums: Gates, c: Any, weights: Weights, options: Options) -> tuple[Any, Any, Any]:
    """The gates i and f, which see the old cell state c, and the candidate g."""
    gate, candidate = options.gate, options.candidate
    p_i, p_f, _ = split(weights.peepholes, 3)
    i = gate(seeing(sums[0], p_i * c))
    f = 1 - with_rest(i, options) if options.input_forget else gate(seeing(sums[1], p_f * c))
    return i, f, candidate(sums[2])


def seeing(total: Any, seen: Any) -> Any:
    """The sum of a gate with what it sees of the cell state, by which it may be stored once more."""
    total = total + seen
    return total.stored_again() if isinstance(total, ErrorArray) else total


def output_gate(sums: Gates, c: Any, weights: Weights, options: Options) -> Any:
    """The gate o, which sees the new cell state c."""
    p_o = split(weights.peepholes, 3)[2]
    return options.gate(seeing(sums[3], p_o * c))


def next_cell_state(sums: Gates, c: Any, weights: Weights, options: Options) -> Any:
    """The next cell state f∘c + i∘g."""
    i, f, g = first_gates(sums, c, weights, options)
    return f * c + i * g


def output(sums: Gates, h: Any, c: Any, weights: Weights, options: Options) -> Any:
    """The next state h = o∘activation(c), of the new cell state c."""
    return output_gate(sums, c, weights, options) * options.output(c)


def step_back(x_t: Any, state: State, weights: Weights, cotangent: State, options: Options) -> StepCotangents:
    """One step backwards, from c' to c and from h' to h, with s = activation(c') and the peepholes p.

    do = dh'∘s∘o', of the sum of o; with it
    dc' gains dh'∘o∘s', by way of h', and p_o∘do, by way of o; then
    di = dc'∘g∘i',  df = dc'∘c∘f',  dg = dc'∘i∘g'
    dc = dc'∘f + p_i∘di + p_f∘df,  dh = Uᵀ·(di, df, dg, do)
    dp = (di∘c, df∘c, do∘c')
    """
    h, c = state
    gate, candidate = options.gate, options.candidate
    p_i, p_f, p_o = split(weights.peepholes, 3)
    before = activated(x_t, h, weights, options)
    i, f, g = first_gates(before, c, weights, options)
    new = f * c + i * g
    o, squashed = output_gate(before, new, weights, options), options.output(new)
    of_h, of_c = cotangent
    of_o = gate.through(of_h * squashed, o)
    of_c = of_c + options.output.through(of_h * o, squashed) + p_o * of_o
    of_i, of_f = gates_back(of_c, c, i, f, g, options)
    sums = np.concatenate([of_i, of_f, candidate.through(of_c * i, g), of_o], axis=-1)
    peepholes = np.concatenate([of_i * c, of_f * c, of_o * new], axis=-1)
    of_old = of_c * f + p_i * of_i + p_f * of_f
    return StepCotangents((sums @ weights.U, of_old), sums, sums, peepholes=peepholes)


CELL = Cell(
    "peephole_lstm",
    ("i", "f", "g", "o"),
    {"activation": names("tanh"), "recurrent_activation": names("sigmoid")},
    activated,
    output,
    step_back,
    next_cell_state,
    bounded=lambda options: bounded(options.activation) and bounded(options.recurrent_activation),
    peepholes=("i", "f", "o"),
)
