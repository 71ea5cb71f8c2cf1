"""Small errors: what a backend may do wrong by so little that no single element shows it.

Each is a change to the evaluation of a case, of a known size. The derivative of every output by it is the
direction on which deviations are projected, see `bound.projections`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, PRODUCTS, Arithmetic, rounded
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Cell, Weights
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import PLAINLY, as_float64
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

STEP = 2.0**-12  # the size of an error that is a factor: the derivative is right to as much


class SmallError(NamedTuple):
    """An error of a known size.

    words: what it makes of a backend, with {factor} for 1 + ε.
    size: of the change, in units of ε.
    weights: of every cell, changed.  cell: the record of the cell, changed.
    of_function: whether it is one of a function, which may have such an error itself.
    """

    words: str
    size: float
    weights: Sequence[Weights]
    cell: Cell
    of_function: bool = False


def in_float64(case: Case) -> list[Weights]:
    """The weights of every cell of a case, in float64."""
    cells = (case.weights, *case.more_weights)
    return [Weights(*(None if w is None else as_float64(w) for w in cell)) for cell in cells]


def right(case: Case) -> SmallError:
    """No error."""
    return SmallError("", 0.0, in_float64(case), case.record)


def small_errors(case: Case, arithmetic: Arithmetic) -> Iterator[SmallError]:
    """Every error that is looked for in the answers to a case of a backend with this arithmetic."""
    yield from scaled_weights(case)
    yield from scaled_gates(case)
    if case.dtype == np.float32:
        yield from products(case, arithmetic)


def scaled_weights(case: Case) -> Iterator[SmallError]:
    """An array of weights that is too large, as a whole or the rows of one gate; and all of a gate's rows."""
    gates = case.record.gates
    names = ("W", "U", "b", "recurrent_b", "peepholes")
    present = [name for name in names if getattr(case, name) is not None]
    everything = dict.fromkeys(present, slice(None))
    for name in present:
        words = f"{name} acts as if it were {{factor}} times as large"
        yield with_scaled_rows(case, words, {name: slice(None)})
    for gate in gates if len(gates) > 1 else ():
        rows = {name: rows_of(case, name, gate) for name in present if gate in gates_of(case, name)}
        for name, some in rows.items():
            words = f"{name} of gate {gate} acts as if it were {{factor}} times as large"
            yield with_scaled_rows(case, words, {name: some})
        words = f"the sum of gate {gate} acts as if it were {{factor}} times as large"
        yield with_scaled_rows(case, words, rows)
    if len(gates) == 1:
        yield with_scaled_rows(case, "the sum acts as if it were {factor} times as large", everything)


def gates_of(case: Case, name: str) -> tuple[str, ...]:
    """The gates that have rows in an array of weights, in their order there."""
    return case.record.peepholes if name == "peepholes" else case.record.gates


def rows_of(case: Case, name: str, gate: str) -> slice:
    """The rows of a gate in an array of weights."""
    k = gates_of(case, name).index(gate)
    return slice(k * case.hidden_size, (k + 1) * case.hidden_size)


def with_scaled_rows(case: Case, words: str, rows: Mapping[str, slice]) -> SmallError:
    """These rows of the named weights, times 1 + ε."""

    def scaled(array: Array, some: slice) -> Array:
        array = array.copy()
        array[some] *= 1 + STEP
        return array

    none = right(case)
    weights = [
        w._replace(**{name: scaled(getattr(w, name), some) for name, some in rows.items()})
        for w in none.weights
    ]
    return none._replace(words=words, size=STEP, weights=weights)


def scaled_gates(case: Case) -> Iterator[SmallError]:
    """The value of a gate that is too large: the function itself is.

    None where gates see the cell state: they have no value before a step, and their sums are above.
    """
    record = case.record
    if record.peepholes:
        return
    for k, gate in enumerate(record.gates):
        what = f"gate {gate}" if len(record.gates) > 1 else "the activation"
        words = f"{what} acts as if its value were {{factor}} times as large"
        cell = with_scaled_gate(record, k)
        yield right(case)._replace(words=words, size=STEP, cell=cell, of_function=True)


def with_scaled_gate(record: Cell, which: int) -> Cell:
    """The cell with a gate times 1 + ε."""

    def activated(*arguments: object) -> list[Array]:
        gates = record.activated(*arguments)  # type: ignore[arg-type]
        return [gate * (1 + STEP) if k == which else gate for k, gate in enumerate(gates)]

    return replace(record, activated=activated)


def products(case: Case, arithmetic: Arithmetic) -> Iterator[SmallError]:
    """All operands of the gates' products, rounded to fewer bits than the backend declares."""
    record, declared = case.record, PRODUCTS.get(arithmetic.products, FORMATS["float32"].bits)
    for name, bits in PRODUCTS.items():
        if bits >= declared:
            continue
        cut = partial(rounded, bits=bits)

        def activated(
            x: Array, h: Array, *rest: object, cut: Callable[[Array], Array] = cut
        ) -> Sequence[Array]:
            return record.activated(cut(x), cut(h), *rest)  # type: ignore[arg-type]

        weights = [cell._replace(W=cut(cell.W), U=cut(cell.U)) for cell in in_float64(case)]
        yield SmallError(f"products taken in {name}", 1.0, weights, replace(record, activated=activated))


def outputs_with(case: Case, trace: Trace, error: SmallError, names: Collection[str]) -> list[Array]:
    """The outputs of the directions of these names, every step from the state shown before, with an error."""
    layers = from_shown_states(case, trace, PLAINLY, error.cell).layers(case, weights=error.weights)
    return [run.outputs for runs in layers for run in runs if run.direction.name in names]
