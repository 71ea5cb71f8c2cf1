"""Mistakes of the precision: products that are taken from numbers with fewer bits."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, PRODUCTS, rounded
from rnn_lockstep.reference.diagnosis.mistakes.mistake import GATED, Mistake, with_other_numbers
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import CELLS, State, Weights
from rnn_lockstep.reference.oracle.validation import Array


def cut(array: Array, bits: int) -> Array:
    """The array in its own dtype, its numbers rounded to so many bits."""
    shorter: Array = rounded(array.astype(np.float64), bits).astype(array.dtype)
    return shorter


def weights_cut(case: Case, w: Weights, bits: int) -> Weights:
    return w._replace(W=cut(w.W, bits), U=cut(w.U, bits))


def all_cut(case: Case, w: Weights, bits: int) -> Weights:
    return Weights(*(None if array is None else cut(array, bits) for array in w))


def step_cut(case: Case, t: int, x: Any, state: State, weights: Weights, bits: int) -> State:
    """Take a step from a state whose numbers are rounded; it is kept as it is where no product is taken."""
    gates = case.record.activated(x, with_bits(state[0], bits), weights, case.options)
    return step_with(case, gates, state, weights)


def gates_cut(case: Case, t: int, x: Any, state: State, weights: Weights, bits: int) -> State:
    """Take a step whose gates and candidate are rounded."""
    gates = case.record.activated(x, state[0], weights, case.options)
    return step_with(case, [with_bits(gate, bits) for gate in gates], state, weights)


def with_bits(array: Any, bits: int) -> Any:
    """The array with its numbers rounded to so many bits."""
    return with_other_numbers(array, partial(rounded, bits=bits))


def step_with(case: Case, gates: Any, state: State, weights: Weights) -> State:
    """Take a step with other gates."""
    h = state[0]
    if case.record.next_cell_state is None:
        return (case.record.output(gates, h, None, weights, case.options),)
    c = case.record.next_cell_state(gates, state[1], weights, case.options)
    return case.record.output(gates, h, c, weights, case.options), c


def products_in(name: str) -> Mistake:
    """Make the mistake of products in a format with few bits."""
    bits = PRODUCTS[name]
    return Mistake(
        f"products are taken in {name}",
        partial(weights_cut, bits=bits),
        change_case=lambda case: replace(case, inputs=cut(case.inputs, bits)),
        step=partial(step_cut, bits=bits),
    )


def weights_rounded_to(name: str) -> Mistake:
    """Make the mistake of weights that were stored in a half type."""
    return Mistake(f"W and U are rounded to {name}", partial(weights_cut, bits=FORMATS[name].bits))


PRECISION = {f"products_in_{name.lower()}": products_in(name) for name in PRODUCTS}
PRECISION |= {f"weights_in_{name}": weights_rounded_to(name) for name in ("float16", "bfloat16")}
PRECISION |= {
    f"weights_and_biases_in_{name}": Mistake(
        f"W, U and the biases are rounded to {name}", partial(all_cut, bits=FORMATS[name].bits)
    )
    for name in ("float16", "bfloat16")
}
# Gates that see the cell state are made of it, step by step, and are not at hand to be rounded.
AT_HAND = tuple(name for name in GATED if not CELLS[name].peepholes)
PRECISION |= {
    f"gates_in_{name}": Mistake(
        f"gates are rounded to {name}", cells=AT_HAND, step=partial(gates_cut, bits=FORMATS[name].bits)
    )
    for name in ("float16", "bfloat16")
}
