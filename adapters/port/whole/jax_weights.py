"""The recurrent layers that scans are: weights which are among what they multiply by, proven by the answers.

What a constant means is tried: a layer that does not compute what the scan did is not it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.port.whole.jax_layers import Structure
from rnn_lockstep.adapters.port.whole.jax_program import Scan
from rnn_lockstep.adapters.port.whole.jax_scans import Roles, call_of
from rnn_lockstep.adapters.port.whole.jax_trees import flax_layers, named_arrays
from rnn_lockstep.adapters.port.whole.layers import shown_by
from rnn_lockstep.adapters.port.whole.model import SCAN, Call
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.diagnosis.mistakes.mistake import answer
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.engine import Engine
from rnn_lockstep.reference.oracle.validation import Array

NEAR = 1e-4  # of the largest magnitude: what a layer computes that is a scan's
# The orders of gates that there are, by cell: in the reference's letters.
ORDERS = {"simple_rnn": ("h",), "gru": ("rzn", "zrn"), "lstm": ("ifgo", "igfo", "iofg", "ifog")}
OPTIONS: dict[str, Sequence[dict[str, Any]]] = {
    "simple_rnn": ({"activation": "tanh"}, {"activation": "relu"}),
    "gru": ({"reset_after": True}, {"reset_after": False}),
    "lstm": ({},),
}


def named_layers(
    model: Any, structure: Structure, scans: Sequence[Scan], calls: Sequence[Call]
) -> tuple[list[str], dict[str, RecurrentLayer]]:
    """The names of all layers of a structure, and the layers that can be read. model: what they are in."""
    found = layers_of(structure, scans, calls, flax_layers(model))
    arrays = list(named_arrays(model))
    names = []
    for number, layer in enumerate(found):
        name = "" if layer is None else layer.name or name_in(arrays, layer)
        names.append(name if name and name not in names else f"{SCAN}{number + 1}")
    pairs = zip(names, found, strict=True)
    return names, {name: replace(layer, name=name) for name, layer in pairs if layer is not None}


def name_in(arrays: Sequence[tuple[str, Array]], layer: RecurrentLayer) -> str:
    """The name under which a layer's U is kept, without its last part; empty where it is not."""
    U = layer.cells[0].U
    some = set(U[0].tolist())  # whatever the order of gates is
    for name, array in arrays:
        if array.ndim == 2 and some <= set(array.ravel().tolist()):
            return name.rpartition(".")[0].removesuffix("/linear")  # Haiku's own part of a cell
    return ""


def layers_of(
    structure: Structure, scans: Sequence[Scan], calls: Sequence[Call], known: Sequence[RecurrentLayer]
) -> list[RecurrentLayer | None]:
    """The layers of a structure, None for each that cannot be read. known: those that are read already."""
    left, found = list(known), list[RecurrentLayer | None]()
    for layer, call in zip(structure.layers, calls, strict=True):
        one = next((each for candidate in left if (each := proven(candidate, call))), None)
        left = [each for each in left if one is None or each.name != one.name]
        parts = [] if one else [by_constants(scans[n], structure.roles[n]) for n in layer.scans]
        found.append(one or together(parts))
    return found


def together(parts: Sequence[RecurrentLayer | None]) -> RecurrentLayer | None:
    """The directions of a layer as one; None where one is not known, or they are none together."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    if len(known) == 1:
        return known[0]
    with suppress(ValueError):
        cells = tuple(cell for part in known for cell in part.cells)
        return replace(known[0], cells=cells, merge_mode="concat", reverse=False)
    return None


def proven(layer: RecurrentLayer, call: Call) -> RecurrentLayer | None:
    """The layer with those options with which it computes what a call did; None where it does not."""
    for options in OPTIONS[layer.cell]:
        one = replace(layer, **options, assumed=("return_sequences",))
        with suppress(ValueError), np.errstate(all="ignore"):  # of other sizes
            case = shown_by(one, call).case
            computed = answer([], case, Engine()).outputs
            given = call.outputs if call.outputs is not None else call.last
            assert given is not None
            if case.valid.all() and np.abs(computed - given).max() <= NEAR * np.abs(given).max():
                return one
    return None


def by_constants(scan: Scan, roles: Roles) -> RecurrentLayer | None:
    """The layer of one direction whose weights are a scan's constants; None where it is not known."""
    call = call_of(scan, roles, "")
    size, hidden = call.inputs.shape[-1], call.final[0].shape[-1]
    others = [carry for k, carry in enumerate(scan.begin) if k not in roles.states]
    constants = [np.asarray(c) for c in (*scan.constants, *others) if str(c.dtype) in ("float32", "float64")]
    for cell in ("lstm",) if len(roles.states) == 2 else ("simple_rnn", "gru"):
        for weights in candidates(cell, constants, size, hidden):
            with suppress(ValueError):
                layer = RecurrentLayer("", (weights,), cell, reverse=bool(scan.equation.params["reverse"]))
                if found := proven(layer, call):
                    return found
    return None


def candidates(cell: str, constants: Sequence[Array], size: int, hidden: int) -> Iterator[Weights]:
    """What constants may be as weights of a cell, in the reference layout."""
    gates = GATES[cell]
    rows = len(gates) * hidden
    pairs = [
        *product(kernels(constants, rows, size), kernels(constants, rows, hidden)),
        *((both[:, :size], both[:, size:]) for both in kernels(constants, rows, size + hidden)),
    ]
    for (W, U), biases, order in product(pairs, biases_in(cell, constants, rows, hidden), ORDERS[cell]):
        if W is U:
            continue
        places = [order.index(gate) for gate in gates]
        arrays = [None if a is None else in_order(a, places, len(gates)) for a in (W, U, *biases)]
        yield Weights(*arrays)
        if cell == "lstm":  # Haiku adds 1 to the forget gate
            b = np.zeros_like(W[:, 0]) if arrays[2] is None else arrays[2].copy()
            b[(k := gates.index("f") * hidden) : k + hidden] += 1
            yield Weights(arrays[0], arrays[1], b, arrays[3])


def in_order(array: Array, places: Sequence[int], count: int) -> Array:
    """An array with the parts of its gates in another order."""
    parts = np.split(array, count)
    return np.concatenate([parts[k] for k in places])


def kernels(constants: Sequence[Array], rows: int, columns: int) -> list[Array]:
    """The constants that may be a kernel (rows, columns), as they are or transposed."""
    as_they_are = [c for c in constants if c.shape == (rows, columns)]
    return as_they_are + [c.T for c in constants if c.shape == (columns, rows)]


def biases_in(
    cell: str, constants: Sequence[Array], rows: int, hidden: int
) -> list[tuple[Array | None, Array | None]]:
    """The pairs of biases that constants may be."""
    flat = [
        part
        for c in constants
        for part in (c if c.shape == (2, rows) else [c.reshape(-1)])
        if part.size in (rows, hidden)
    ]
    every = [bias for bias in flat if bias.size == rows]
    found: list[tuple[Array | None, Array | None]] = [*permutations(every, 2)]
    if cell == "gru":  # Equinox has another for the candidate alone
        inner = [bias for bias in flat if bias.size == hidden]
        found += [(b, np.concatenate([np.zeros(rows - hidden, b.dtype), n])) for b in every for n in inner]
    return [*found, *((bias, None) for bias in every), (None, None)]
