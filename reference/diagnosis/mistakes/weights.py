"""Mistakes with weights: what is loaded into a layer in place of W, U and the biases."""

from collections.abc import Callable

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import GATED, Change, Mistake, change_each_gate
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.validation import Array


def change_arrays(change: Callable[[Array], Array], *names: str) -> Change:
    """Change some of a cell's arrays, where it has them."""

    def weights(case: Case, w: Weights) -> Weights:
        arrays = {name: getattr(w, name) for name in names}
        return w._replace(**{name: change(array) for name, array in arrays.items() if array is not None})

    return weights


def gate_by_gate(change: Callable[[Array], Array], name: str) -> Change:
    """Change one of a cell's arrays, gate by gate."""
    return lambda case, w: change_arrays(lambda array: change_each_gate(case, array, change), name)(case, w)


def if_square(array: Array) -> Array:
    return array.T if array.shape[0] == array.shape[1] else array


def other_order(array: Array) -> Array:
    return array.T.reshape(array.shape)


def read_as_keras(array: Array) -> Array:
    """A matrix (H, D) as one reads it who takes its numbers for those of one (D, H)."""
    return array.reshape(array.shape[::-1]).T


def without_diagonal(array: Array) -> Array:
    return np.where(np.eye(len(array), dtype=bool), 0, array).astype(array.dtype)


def rolled(axis: int, places: int = 1) -> Callable[[Array], Array]:
    return lambda array: np.roll(array, places, axis=axis)


def in_8_bits(axis: int | None) -> Callable[[Array], Array]:
    """Round numbers to multiples of a 127th of the largest, of all or along an axis."""

    def change(array: Array) -> Array:
        largest = np.abs(array).max(axis=axis, keepdims=True, initial=0.0).astype(np.float64)
        unit = np.where(largest > 0, largest / 127, 1.0)
        return (np.rint(array / unit) * unit).astype(array.dtype)

    return change


def kernels_swapped(case: Case, w: Weights) -> Weights:
    return w._replace(W=w.U, U=w.W) if w.W.shape == w.U.shape else w


def biases_swapped(case: Case, w: Weights) -> Weights:
    return w if w.b is None or w.recurrent_b is None else w._replace(b=w.recurrent_b, recurrent_b=w.b)


def times(factor: int) -> Callable[[Array], Array]:
    return lambda array: (factor * array).astype(array.dtype)


WEIGHTS: dict[str, Mistake] = {
    "u_transposed": Mistake("U is transposed", gate_by_gate(np.transpose, "U")),
    "w_transposed": Mistake("W is transposed", gate_by_gate(if_square, "W")),
    "kernels_transposed": Mistake(
        "W and U are transposed",
        lambda case, w: gate_by_gate(if_square, "W")(case, gate_by_gate(np.transpose, "U")(case, w)),
    ),
    "kernels_of_cudnn": Mistake(
        "cuDNN's kernels are read as Keras's: of each gate W is reshaped, and U transposed",
        lambda case, w: gate_by_gate(read_as_keras, "W")(case, gate_by_gate(np.transpose, "U")(case, w)),
        cells=GATED,
    ),
    "w_in_the_other_order": Mistake(
        "W is reshaped where it should be transposed", gate_by_gate(other_order, "W")
    ),
    "u_in_the_other_order": Mistake(
        "U is reshaped where it should be transposed", change_arrays(other_order, "U"), cells=GATED
    ),
    "all_gates_in_the_other_order": Mistake(
        "W is reshaped, all gates at once, where it should be transposed",
        change_arrays(other_order, "W"),
        cells=GATED,
    ),
    "w_and_u_swapped": Mistake("W and U are swapped", kernels_swapped),
    "u_dropped": Mistake("U·h is missing: no step sees the state before it", change_arrays(times(0), "U")),
    "w_dropped": Mistake("W·x is missing: no step sees its input", change_arrays(times(0), "W")),
    "u_diagonal_dropped": Mistake("U's diagonal is zero", gate_by_gate(without_diagonal, "U")),
    "u_negated": Mistake("U has the wrong sign", change_arrays(times(-1), "U")),
    "w_negated": Mistake("W has the wrong sign", change_arrays(times(-1), "W")),
    "w_columns_rolled": Mistake(
        "W's columns are one place late: its inputs are permuted", change_arrays(rolled(1), "W")
    ),
    "w_columns_early": Mistake(
        "W's columns are one place early: its inputs are permuted", change_arrays(rolled(1, -1), "W")
    ),
    "w_columns_reversed": Mistake("W's columns are reversed", change_arrays(lambda w: w[:, ::-1], "W")),
    "u_rows_rolled": Mistake("U's rows are one place late", gate_by_gate(rolled(0), "U")),
    "u_rows_early": Mistake("U's rows are one place early", gate_by_gate(rolled(0, -1), "U")),
    "u_columns_rolled": Mistake("U's columns are one place late", change_arrays(rolled(1), "U")),
    "u_columns_early": Mistake("U's columns are one place early", change_arrays(rolled(1, -1), "U")),
    "u_reversed": Mistake("U's rows and columns are reversed", gate_by_gate(lambda u: u[::-1, ::-1], "U")),
    "w_rows_rolled": Mistake("W's rows are one place late", gate_by_gate(rolled(0), "W")),
    "weights_in_8_bits": Mistake(
        "W and U are rounded to 8 bits, with one scale each", change_arrays(in_8_bits(None), "W", "U")
    ),
    "weights_in_8_bits_by_row": Mistake(
        "W and U are rounded to 8 bits, with one scale a row", change_arrays(in_8_bits(1), "W", "U")
    ),
}
BIASES: dict[str, Mistake] = {
    "bias_dropped": Mistake("b is dropped", change_arrays(times(0), "b")),
    "recurrent_bias_dropped": Mistake("recurrent_b is dropped", change_arrays(times(0), "recurrent_b")),
    "biases_dropped": Mistake("the biases are dropped", change_arrays(times(0), "b", "recurrent_b")),
    "bias_doubled": Mistake("b is added twice", change_arrays(times(2), "b")),
    "recurrent_bias_doubled": Mistake("recurrent_b is added twice", change_arrays(times(2), "recurrent_b")),
    "bias_negated": Mistake("b is subtracted", change_arrays(times(-1), "b")),
    "the_two_biases_swapped": Mistake("b and recurrent_b are swapped", biases_swapped, cells=("gru",)),
    "b_rolled": Mistake("b is one place late", gate_by_gate(rolled(0), "b")),
}
PROJECTIONS: dict[str, Mistake] = {
    "projection_in_the_other_order": Mistake(
        "the projection is reshaped where it should be transposed",
        change_arrays(other_order, "projection"),
        cells=("lstm",),
    ),
    "projection_rows_rolled": Mistake(
        "the projection's rows are one place late: the outputs are permuted",
        change_arrays(rolled(0), "projection"),
        cells=("lstm",),
    ),
    "projection_columns_rolled": Mistake(
        "the projection's columns are one place late",
        change_arrays(rolled(1), "projection"),
        cells=("lstm",),
    ),
}
