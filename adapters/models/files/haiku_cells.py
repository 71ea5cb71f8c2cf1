"""A cell of haiku, as its parameters: `w` and `b` by the modules' names.

LSTM        linear: w (D + H, 4H) over inputs and state, b; gates i, g, f, o; 1 is added to f at run time
GRU         w_i, w_h, b; gates z, r, n, where z is the part of the new candidate; reset before the product
VanillaRNN  linear and linear_1, or input_to_hidden and hidden_to_hidden: each of w, and of b; relu

Source: haiku 0.0.17, `haiku/_src/recurrent.py`. A module with a `linear` may be anything, so its name must
tell that it is an LSTM or an RNN.
"""

import numpy as np

from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.files.cell import Cell
from rnn_lockstep.adapters.models.files.tree import Leaf, Tree
from rnn_lockstep.adapters.models.recurrent_layer import with_forget_bias
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.validation import Array

FORGET = 1.0
# The names of the two parts of a VanillaRNN, and what must be in its own.
SIDES = {("linear", "linear_1"): "rnn", ("input_to_hidden", "hidden_to_hidden"): ""}


def cell_in(tree: Tree, where: str) -> Cell | None:
    """The cell that a tree is; None where it is none. Raises ValueError, naming where."""
    name = where.rpartition(".")[2].lower()
    for sides, word in SIDES.items():
        if word not in name or not all(
            isinstance(tree.get(side), dict) and "w" in tree[side] for side in sides
        ):
            continue
        parts = [_array(tree[side], letter, f"{where}.{side}") for letter in "wb" for side in sides]
        weights = Weights(*(part if part is None else part.T for part in parts))
        return Cell("simple_rnn", weights, {"activation": "relu"}, ())
    if {"w_i", "w_h"} <= tree.keys():
        return _gru(*(_array(tree, key, where) for key in ("w_i", "w_h", "b")))
    inside = tree.get("linear")
    if "lstm" in name and isinstance(inside, dict) and "w" in inside:
        return _lstm(where, *(_array(inside, letter, f"{where}.linear") for letter in "wb"))
    return None


def _array(tree: Tree, name: str, where: str) -> Array | None:
    """An array of a tree; None where there is none."""
    leaf = tree.get(name)
    return leaf.read(f"{where}.{name}") if isinstance(leaf, Leaf) else None


def _lstm(where: str, w: Array | None, b: Array | None) -> Cell:
    """The LSTM of one kernel over inputs and state. What is added to its forget gate is recurrent_b."""
    if w is None or w.ndim != 2 or w.shape[1] % 4 or not 0 < w.shape[1] // 4 < w.shape[0]:
        raise ValueError(f"{where}.linear.w is no kernel of an LSTM, which has shape (D + H, 4H)")
    inputs = w.shape[0] - w.shape[1] // 4
    weights = unpack(Weights(w[:inputs], w[inputs:], b), "lstm", "haiku")
    return Cell("lstm", with_forget_bias(weights, FORGET), {"forget_bias": FORGET}, ())


def _gru(w_i: Array | None, w_h: Array | None, b: Array | None) -> Cell:
    """The GRU. Its z is 1 - z here, and 1 - sigmoid(x) is sigmoid(-x), so that part changes its sign."""
    if w_i is None or w_h is None or w_i.ndim != 2 or w_h.ndim != 2:
        raise ValueError("w_i or w_h is no matrix")
    weights = unpack(Weights(w_i, w_h, b), "gru", "haiku")
    size = len(weights.U) // 3
    signs = [-1 if gate == "z" else 1 for gate in GATES["gru"] for _ in range(size)]
    turned = (None if a is None else (a.T * np.array(signs, a.dtype)).T for a in weights)
    return Cell("gru", Weights(*turned), {"reset_after": False}, ())
