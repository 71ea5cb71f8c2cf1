"""The gated recurrent unit, with the update gate z keeping the state.

r, z = recurrent_activation(W·x_t + b + U·h + recurrent_b)
n = activation(W·x_t + b + r∘(U·h + recurrent_b))    with reset_after: torch, cuDNN, Keras's default
n = activation(W·x_t + b + U·(r∘h) + recurrent_b)    without
h' = (1 - z)∘n + z∘h

Source: Cho et al. (2014), arXiv:1406.1078, the second form; the first as in cuDNN and torch.nn.GRU.
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
    recurrent_rows,
    recurrent_sum,
    split,
    with_rest,
)


def activated(x_t: Any, h: Any, weights: Weights, options: Options) -> Gates:
    """The gates r and z and the candidate n."""
    gate, candidate = options.gate, options.candidate
    x_r, x_z, x_n = split(input_sum(x_t, weights), 3)
    if options.reset_after:
        h_r, h_z, h_n = split(recurrent_sum(h, weights), 3)
        r, z = gate(x_r + h_r), gate(x_z + h_z)
        return [r, z, candidate(x_n + r * h_n)]
    of_gates, of_candidate = rows(weights)
    h_r, h_z = split(recurrent_sum(h, of_gates), 2)
    r, z = gate(x_r + h_r), gate(x_z + h_z)
    return [r, z, candidate(x_n + recurrent_sum(r * h, of_candidate))]


def rows(weights: Weights) -> tuple[Weights, Weights]:
    """The recurrent weights of r and z, and those of n."""
    count = 2 * (weights.U.shape[0] // 3)
    return recurrent_rows(weights, slice(count)), recurrent_rows(weights, slice(count, None))


def output(gates: Gates, h: Any, c: None, weights: Weights, options: Options) -> Any:
    """The next state (1 - z)∘n + z∘h.

    z carries the error of other right forms: with z' = sigmoid(-x) for 1 - z, h' = (1 - z')∘h + z'∘n as in
    Chung et al. (2014), arXiv:1412.3555, and Haiku; and h + z'∘(n - h).
    """
    _, z, n = gates
    return (1 - z) * n + with_rest(z, options) * h


def step_back(x_t: Any, state: State, weights: Weights, cotangent: State, options: Options) -> StepCotangents:
    """One step backwards; names with d are cotangents of sums before activation.

    dz = (dh'∘h - dh'∘n)∘z',  dn = dh'∘(1 - z)∘n'
    dr = dn∘(U_n·h + recurrent_b_n)∘r'    with reset_after, when U_n's sum receives r∘dn
    dr = (U_nᵀ·dn)∘h∘r'                   without, when it receives dn
    dh = dh'∘z + U_rᵀ·dr + U_zᵀ·dz + U_nᵀ·(r∘dn)    or, without, r∘(U_nᵀ·dn) for its last term

    The bound also covers g∘(h - n) for g∘h - g∘n, and g - g∘z for g∘(1 - z).
    """
    h, g = state[0], cotangent[0]
    gate, candidate = options.gate, options.candidate
    r, z, n = activated(x_t, h, weights, options)
    of_gates, of_candidate = rows(weights)
    dz = gate.through(g * h - g * n, with_rest(z, options))
    dn = candidate.through(g * (1 - z), n)
    if options.reset_after:
        dr = gate.through(dn * recurrent_sum(h, of_candidate), r)
        sums = np.concatenate([dr, dz, r * dn], axis=-1)
        dh = g * with_rest(z, options) + sums @ weights.U
    else:
        reset = dn @ of_candidate.U  # the cotangent of r∘h
        dr = gate.through(reset * h, r)
        sums = np.concatenate([dr, dz, dn], axis=-1)
        dh = g * with_rest(z, options) + np.concatenate([dr, dz], axis=-1) @ of_gates.U + r * reset
    return StepCotangents((dh,), np.concatenate([dr, dz, dn], axis=-1), sums)


def operands(x: Any, h: Any, weights: Weights, options: Options) -> list[Any]:
    """The arrays that U's rows multiply, by gate: h, but r∘h for the candidate without reset_after."""
    if options.reset_after:
        return [h, h, h]
    return [h, h, activated(x, h, weights, options)[0] * h]


CELL = Cell(
    "gru",
    ("r", "z", "n"),
    {
        "activation": names("tanh"),
        "recurrent_activation": names("sigmoid"),
        "reset_after": (True, False),
    },
    activated,
    output,
    step_back,
    operands=operands,
    bounded=lambda options: bounded(options.activation) and bounded(options.recurrent_activation, 0.0),
)
