"""The layouts of weights by framework, as data, and the conversion there and back.

Checked against torch 2.13, keras 3.15, onnx 1.23, flax 0.12, haiku 0.0.17 and tensorflow 2.21's older cells.
"""

from dataclasses import dataclass, field

import numpy as np

from rnn_lockstep.reference.oracle.cells import CELLS, Weights
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True)
class Layout:
    """The conventions of one framework.

    gates: by cell, the order of the gates, in the letters of `reference.oracle.cells.CELLS`.
    columns: kernels are (in, gates·H), so that inputs are multiplied from the left.
    two_biases: b and recurrent_b are stored apart; where they are not, their sum is. A GRU with
    reset_after always needs both, since recurrent_b is inside its reset product.
    sides: by cell, the gates that have a bias added to the input's sum, then those that have one added to
    the state's, where a framework does not have both or one for all gates; elsewhere there is none.
    states: the order of an LSTM's h and c.
    peepholes: the order of the gates in an LSTM's peepholes; empty where it has none.
    """

    gates: dict[str, str]
    columns: bool
    two_biases: bool
    sides: dict[str, tuple[str, str]] = field(default_factory=dict)
    states: str = "hc"
    peepholes: str = ""


LAYOUTS = {
    "torch": Layout({"gru": "rzn", "lstm": "ifgo"}, columns=False, two_biases=True),
    "keras": Layout({"gru": "zrn", "lstm": "ifgo"}, columns=True, two_biases=False),
    "onnx": Layout(*({"gru": "zrn", "lstm": "iofg", "peephole_lstm": "iofg"}, False, True), peepholes="iof"),
    "flax": Layout(
        *({"gru": "rzn", "lstm": "ifgo"}, True, True),
        sides={"simple_rnn": ("h", ""), "gru": ("rzn", "n"), "lstm": ("", "ifgo")},
        states="ch",
    ),
    "flax_nnx": Layout(
        *({"gru": "rzn", "lstm": "ifgo"}, True, True),
        sides={"simple_rnn": ("h", ""), "gru": ("rzn", ""), "lstm": ("", "ifgo")},
        states="ch",
    ),
    "haiku": Layout({"gru": "zrn", "lstm": "igfo"}, columns=True, two_biases=False),
    "tensorflow1": Layout(
        *({"gru": "rzn", "lstm": "igfo", "peephole_lstm": "igfo"}, True, False), peepholes="ifo"
    ),
    "tensorflow": Layout({}, columns=True, two_biases=False, peepholes="ifo"),
}


def pack(weights: Weights, cell: str, framework: str, *, reset_after: bool = False) -> Weights:
    """Convert weights to a framework's layout. A missing bias stays None unless the other is there.

    Raises ValueError where the framework has no bias in the place of one that is not zero.
    """
    layout = LAYOUTS[framework]
    if layout.sides:
        weights = weights._replace(**_biases_by_side(weights, cell, *layout.sides[cell]))
        return weights._replace(W=weights.W.T, U=weights.U.T)
    order = _order(CELLS[cell].gates, layout.gates.get(cell, CELLS[cell].gates))
    W, U = _reordered(weights.W, order), _reordered(weights.U, order)
    b, recurrent_b = (None if bias is None else _reordered(bias, order) for bias in weights.biases)
    if b is None and recurrent_b is not None:
        b = np.zeros_like(recurrent_b)
    if b is not None:
        recurrent_b = np.zeros_like(b) if recurrent_b is None else recurrent_b
        if not layout.two_biases and not (cell == "gru" and reset_after):
            b, recurrent_b = b + recurrent_b, None
    W, U = (W.T, U.T) if layout.columns else (W, U)
    seen = weights.peepholes
    if seen is not None:
        seen = _reordered(seen, _order(CELLS[cell].peepholes, layout.peepholes))
    return Weights(W, U, b, recurrent_b, weights.projection, seen)


def unpack(weights: Weights, cell: str, framework: str) -> Weights:
    """Convert a framework's weights to the reference layout."""
    layout = LAYOUTS[framework]
    if layout.sides:
        sides = zip(weights.biases, layout.sides[cell], strict=True)
        both = (_for_all_gates(bias, gates, cell) for bias, gates in sides)
        return Weights(weights.W.T, weights.U.T, *both)
    order = _order(layout.gates.get(cell, CELLS[cell].gates), CELLS[cell].gates)
    if layout.columns:
        weights = weights._replace(W=weights.W.T, U=weights.U.T)
    of_gates = weights._replace(projection=None, peepholes=None)._asdict()
    found = {name: _reordered(w, order) for name, w in of_gates.items() if w is not None}
    seen = weights.peepholes
    if seen is not None:
        seen = _reordered(seen, _order(layout.peepholes, CELLS[cell].peepholes))
    return Weights(**{**found, "projection": weights.projection, "peepholes": seen})


def unpack_gradients(packed: Weights, weights: Weights, cell: str, framework: str) -> Weights:
    """Convert the gradients of packed weights to those of `weights`, in the reference layout.

    Where `pack` added both biases up, the gradient of the sum is that of each.
    """
    found = unpack(packed, cell, framework)
    if found.recurrent_b is None:
        found = found._replace(recurrent_b=found.b)
    return Weights(*(None if w is None else g for w, g in zip(weights, found, strict=True)))


def _biases_by_side(weights: Weights, cell: str, inputs: str, state: str) -> dict[str, Array | None]:
    """The biases of the gates that have one on either side, by name; ValueError as for `pack`.

    inputs, state: the gates that have a bias added to the input's sum and to the state's sum.
    """
    if weights.b is None and weights.recurrent_b is None:
        return {}
    count = len(CELLS[cell].gates)
    zeros = np.zeros(len(weights.W), weights.W.dtype)
    parts = (np.split(zeros if bias is None else bias, count) for bias in weights.biases)
    found: tuple[list[Array], list[Array]] = ([], [])
    for gate, b, recurrent_b in zip(CELLS[cell].gates, *parts, strict=True):
        if gate in inputs and gate in state:
            found[0].append(b)
            found[1].append(recurrent_b)
        elif cell == "gru" and gate == "n" and recurrent_b.any():
            raise ValueError("it has no bias inside the reset product, and recurrent_b is not zero there")
        else:
            alone = recurrent_b if weights.b is None else b
            one = weights.b is None or weights.recurrent_b is None
            found[gate in state].append(alone if one else b + recurrent_b)
    b, recurrent_b = (np.concatenate(side) if side else None for side in found)
    return {"b": b, "recurrent_b": recurrent_b}


def _for_all_gates(bias: Array | None, gates: str, cell: str) -> Array | None:
    """Fill a bias of some gates up with zeros for the others."""
    if bias is None:
        return None
    parts = dict(zip(gates, np.split(bias, len(gates)), strict=True))
    zeros = np.zeros_like(parts[gates[0]])
    return np.concatenate([parts.get(gate, zeros) for gate in CELLS[cell].gates])


def _order(source: tuple[str, ...] | str, target: tuple[str, ...] | str) -> list[int]:
    """The place in `source` of each gate of `target`."""
    return [list(source).index(gate) for gate in target]


def _reordered(array: Array, order: list[int]) -> Array:
    """Put the equal parts of the first axis in another order."""
    if order == list(range(len(order))):
        return array
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])
