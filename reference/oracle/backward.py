"""One step of each cell backwards: from the cotangent of the new state to those of what it was made of.

The cotangent of an array is the derivative of the scalar L with respect to it, in its shape. As the
cells themselves, these lines run on float arrays, on `reference.bound.rounding.Rounded` and on object arrays.

Derivatives are written with the activations' values, tanh' = 1 - y² and sigmoid' = y(1 - y), because
that is how all frameworks compute them. On `Rounded` arrays the bound also covers other factorings:
(1 - y)(1 + y) and JAX's (g + g·y)(1 - y); y - y² and torch's (g(1 - y))y; for a GRU's g∘h - g∘n also
g∘(h - n), and g - g∘z for g∘(1 - z). Each term of 1 - y² counts as rounded three times, and its size as
1 + y², which is more than any of these lose. What it does not cover are derivatives computed afresh from
the sum that was activated, such as 1/cosh², whose error has another form. Where a kink may have been
crossed, either derivative is right: see `reference.bound.rounding.greater`.
Source: Werbos (1990), "Backpropagation through time: what it does and how to do it", Proc. IEEE 78; of
the count of roundings, Higham (2002), lemma 3.1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.oracle import cells
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights, recurrent_rows
from rnn_lockstep.reference.oracle.layer import State


class StepCotangents(NamedTuple):
    """What one step hands back.

    state: of the state before the step, (h,) or (h, c), each (batch, H).
    input_sum: of W·x_t + b, (batch, gates·H).
    recurrent_sum: of U·h + recurrent_b, (batch, gates·H); it differs from input_sum where a GRU's reset
    gate comes between the two.
    """

    state: State
    input_sum: Any
    recurrent_sum: Any


def through_tanh(g: Any, y: Any) -> Any:
    """g·(1 - y²), for y = tanh(z)."""
    return g * (1 - y * y)


def through_relu(g: Any, y: Any) -> Any:
    """g where y > 0, otherwise 0, as at the kink in torch, Keras and JAX."""
    return g * (y > 0)


def through_sigmoid(g: Any, y: Any) -> Any:
    """g·y(1 - y), for y = 1 / (1 + exp(-z))."""
    return g * (y * (1 - y))


def through_hard_sigmoid(g: Any, y: Any) -> Any:
    """g/6 where y is not clipped, otherwise 0."""
    return g * (y > 0) * (y < 1) / 6


def through_hard_sigmoid_keras2(g: Any, y: Any) -> Any:
    """g/5 where y is not clipped, otherwise 0."""
    return g * (y > 0) * (y < 1) / 5


# The cotangent of z from that of y = activation(z), and y itself.
THROUGH: dict[str, Callable[[Any, Any], Any]] = {
    "tanh": through_tanh,
    "relu": through_relu,
    "sigmoid": through_sigmoid,
    "hard_sigmoid": through_hard_sigmoid,
    "hard_sigmoid_keras2": through_hard_sigmoid_keras2,
}


def step_back(case: Case, x_t: Any, state: State, weights: Weights, cotangent: State) -> StepCotangents:
    """One step of the case's cell backwards, in whatever arithmetic the arguments are.

    x_t (batch, D) and `state`, (h,) or (h, c) of (batch, H), are what the step began with; `cotangent`
    is that of the state it led to.
    """
    if case.cell == "lstm":
        return lstm(x_t, state, weights, cotangent, case.recurrent_activation)
    if case.cell == "gru":
        return gru(x_t, state, weights, cotangent, case.recurrent_activation, case.reset_after)
    return simple_rnn(x_t, state, weights, cotangent, case.activation)


def recurrent_operands(case: Case, x: Any, h: Any, weights: Weights) -> list[Any]:
    """What each gate's rows of U are multiplied by: h (..., H), but r∘h in a GRU that resets before.

    x: (..., D), the inputs of those steps.
    """
    count = len(cells.GATES[case.cell])
    if case.cell != "gru" or case.reset_after:
        return [h] * count
    r, _, _ = cells.gru_gates(x, h, weights, case.recurrent_activation, reset_after=False)
    return [h, h, r * h]


def simple_rnn(x_t: Any, state: State, weights: Weights, cotangent: State, activation: str) -> StepCotangents:
    """Backwards through h' = activation(z), z = W·x_t + b + U·h + recurrent_b.

    dz = dh'∘activation'(z),  dh = Uᵀ·dz
    """
    new = cells.simple_rnn(x_t, state[0], weights, activation)
    z = THROUGH[activation](cotangent[0], new)
    return StepCotangents((z @ weights.U,), z, z)


def gru_rows(weights: Weights) -> tuple[Weights, Weights]:
    """The recurrent weights of r and z, and those of n."""
    rows = weights.U.shape[0] // 3
    return recurrent_rows(weights, slice(2 * rows)), recurrent_rows(weights, slice(2 * rows, None))


def gru(
    x_t: Any, state: State, weights: Weights, cotangent: State, activation: str, reset_after: bool
) -> StepCotangents:
    """Backwards through h' = (1 - z)∘n + z∘h; names with d are cotangents of sums before activation.

    dz = (dh'∘h - dh'∘n)∘z(1 - z),  dn = dh'∘(1 - z)∘(1 - n²)
    dr = dn∘(U_n·h + recurrent_b_n)∘r(1 - r)    with reset_after, when U_n's sum receives r∘dn
    dr = (U_nᵀ·dn)∘h∘r(1 - r)                   without, when it receives dn
    dh = dh'∘z + U_rᵀ·dr + U_zᵀ·dz + U_nᵀ·(r∘dn)    or, without, r∘(U_nᵀ·dn) for its last term
    """
    h, g = state[0], cotangent[0]
    r, z, n = cells.gru_gates(x_t, h, weights, activation, reset_after)
    update, candidate = gru_rows(weights)
    dz = THROUGH[activation](g * h - g * n, z)
    dn = THROUGH["tanh"](g * (1 - z), n)
    if reset_after:
        dr = THROUGH[activation](dn * cells.recurrent_sum(h, candidate), r)
        recurrent_sum = np.concatenate([dr, dz, r * dn], axis=-1)
        dh = g * z + recurrent_sum @ weights.U
    else:
        reset = dn @ candidate.U  # the cotangent of r∘h
        dr = THROUGH[activation](reset * h, r)
        recurrent_sum = np.concatenate([dr, dz, dn], axis=-1)
        dh = g * z + np.concatenate([dr, dz], axis=-1) @ update.U + r * reset
    return StepCotangents((dh,), np.concatenate([dr, dz, dn], axis=-1), recurrent_sum)


def lstm(x_t: Any, state: State, weights: Weights, cotangent: State, activation: str) -> StepCotangents:
    """Backwards through c' = f∘c + i∘g and h' = o∘tanh(c').

    dc' gains dh'∘o∘(1 - tanh²(c')), by way of h'; then, with the derivatives of the gates' activations,
    di = dc'∘g∘i',  df = dc'∘c∘f',  dg = dc'∘i∘g',  do = dh'∘tanh(c')∘o'
    dc = dc'∘f,  dh = Uᵀ·(di, df, dg, do)
    """
    h, c = state
    i, f, g, o = cells.lstm_gates(x_t, h, weights, activation)
    squashed = np.tanh(cells.lstm_cell_state(i, f, g, c))
    of_h, of_c = cotangent
    of_c = of_c + THROUGH["tanh"](of_h * o, squashed)
    through = THROUGH[activation]
    parts = [
        through(of_c * g, i),
        through(of_c * c, f),
        THROUGH["tanh"](of_c * i, g),
        through(of_h * squashed, o),
    ]
    sums = np.concatenate(parts, axis=-1)
    return StepCotangents((sums @ weights.U, of_c * f), sums, sums)
