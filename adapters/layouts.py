"""How each framework stores the weights of a layer, as data, and the way there and back.

Checked against torch 2.13, keras 3.15 and onnx 1.23.
"""

from dataclasses import dataclass

import numpy as np

from reference.cells import GATES, Weights
from reference.validation import Array


@dataclass(frozen=True)
class Layout:
    """The conventions of one framework.

    gates: by cell, the order of the gates, in the letters of `reference.cells.GATES`.
    columns: kernels are (in, gates·H), so that inputs are multiplied from the left.
    two_biases: b and recurrent_b are stored apart; where they are not, their sum is. A GRU with
    reset_after always needs both, since recurrent_b is inside its reset product.
    """

    gates: dict[str, str]
    columns: bool
    two_biases: bool


LAYOUTS = {
    "torch": Layout({"gru": "rzn", "lstm": "ifgo"}, columns=False, two_biases=True),
    "keras": Layout({"gru": "zrn", "lstm": "ifgo"}, columns=True, two_biases=False),
    "onnx": Layout({"gru": "zrn", "lstm": "iofg"}, columns=False, two_biases=True),
}


def pack(weights: Weights, cell: str, framework: str, *, reset_after: bool = False) -> Weights:
    """Reference weights in a framework's layout. A missing bias stays None unless the other is there."""
    layout = LAYOUTS[framework]
    order = _order(GATES[cell], layout.gates.get(cell, GATES[cell]))
    W, U = _reordered(weights.W, order), _reordered(weights.U, order)
    b, recurrent_b = (None if bias is None else _reordered(bias, order) for bias in weights[2:])
    if b is None and recurrent_b is not None:
        b = np.zeros_like(recurrent_b)
    if b is not None:
        recurrent_b = np.zeros_like(b) if recurrent_b is None else recurrent_b
        if not layout.two_biases and not (cell == "gru" and reset_after):
            b, recurrent_b = b + recurrent_b, None
    return Weights(W.T, U.T, b, recurrent_b) if layout.columns else Weights(W, U, b, recurrent_b)


def unpack(weights: Weights, cell: str, framework: str) -> Weights:
    """A framework's weights in the reference layout."""
    layout = LAYOUTS[framework]
    order = _order(layout.gates.get(cell, GATES[cell]), GATES[cell])
    if layout.columns:
        weights = weights._replace(W=weights.W.T, U=weights.U.T)
    return Weights(*(None if w is None else _reordered(w, order) for w in weights))


def unpack_gradients(packed: Weights, weights: Weights, cell: str, framework: str) -> Weights:
    """The gradients of `weights`, in the reference layout, from those of what `pack` made of them.

    Where that was the sum of both biases, its gradient is that of each.
    """
    W, U, b, recurrent_b = unpack(packed, cell, framework)
    recurrent_b = b if recurrent_b is None else recurrent_b
    return Weights(
        W, U, None if weights.b is None else b, None if weights.recurrent_b is None else recurrent_b
    )


def _order(source: tuple[str, ...] | str, target: tuple[str, ...] | str) -> list[int]:
    """Where each gate of `target` is found in `source`."""
    return [list(source).index(gate) for gate in target]


def _reordered(array: Array, order: list[int]) -> Array:
    """The equal parts of the first axis in another order."""
    if order == list(range(len(order))):
        return array
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])
