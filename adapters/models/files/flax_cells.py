"""A cell of flax, as dictionaries of arrays: linen's, a dictionary a gate, or nnx's, all gates in one."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS, pack, unpack
from rnn_lockstep.adapters.models.files.cell import Cell
from rnn_lockstep.adapters.models.files.tree import Leaf, Tree
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import GATES


def cell_in(tree: Tree, where: str) -> Cell | None:
    """The cell that a tree is; None where it is none.

    Names tell which it is, or the size where all gates are in one. Raises ValueError, naming where.
    """
    branches = {str(key).removesuffix("_"): b for key, b in tree.items() if isinstance(b, dict)}
    if {"dense_i", "dense_h"} <= branches.keys():
        return _fused(branches, where)
    if branches.keys() == {"if", "in", "hf", "hn"}:
        raise ValueError(f"{where} is an MGUCell, which has no like in the reference")
    for cell in GATES:
        sides = [keys(cell, side) for side in "ih"]
        names = {key for side in sides for key in side.values()}
        if branches.keys() == names and all(isinstance(b.get("kernel"), Leaf) for b in branches.values()):
            (W, b), (U, recurrent_b) = (
                _joined(branches, side, biased, where)
                for side, biased in zip(sides, LAYOUTS["flax"].sides[cell], strict=True)
            )
            return _found(Weights(W, U, b, recurrent_b), cell, "flax", where)
    return None


def keys(cell: str, side: str) -> dict[str, str]:
    """The names of linen's dictionaries on the side "i" of the inputs or "h" of the state, by gate."""
    letters = LAYOUTS["flax"].gates.get(cell, "")
    return {gate: side + gate for gate in letters} or {"h": side}


def _joined(branches: Tree, names: dict[str, str], biased: str, where: str) -> tuple[Any, Any]:
    """The kernels of all gates side by side, and the biases of those gates, or None."""
    kernels, biases = [], {}
    for gate, name in names.items():
        dense = branches[name]
        kernels.append(dense["kernel"].read(f"{where}.{name}.kernel"))
        if isinstance(dense.get("bias"), Leaf):
            biases[gate] = dense["bias"].read(f"{where}.{name}.bias")
    if biases and set(biases) != set(biased):
        raise ValueError(f"{where} has biases of {', '.join(biases)}, needs those of {', '.join(biased)}")
    if len({k.shape for k in kernels}) > 1 or kernels[0].ndim != 2 or len({k.dtype for k in kernels}) > 1:
        raise ValueError(f"{where} has kernels that differ in shape or dtype, or are none")
    if any(bias.shape != kernels[0].shape[1:] for bias in biases.values()):
        raise ValueError(f"{where} has biases that do not fit its kernels")
    return np.concatenate(kernels, 1), np.concatenate([biases[g] for g in biased]) if biases else None


def _fused(branches: Tree, where: str) -> Cell:
    """A cell of nnx with all gates in one. Raises ValueError, naming where."""
    W, U, b, recurrent_b = (
        branches[name][part].read(f"{where}.{name}.{part}")
        if isinstance(branches[name].get(part), Leaf)
        else None
        for part in ("kernel", "bias")
        for name in ("dense_i", "dense_h")
    )
    if W is None or U is None or W.ndim != 2 or U.ndim != 2 or U.shape[0] == 0:
        raise ValueError(f"{where} has no kernels of two axes in dense_i and dense_h")
    for cell, gates in GATES.items():
        if U.shape[1] == len(gates) * U.shape[0]:
            sides = LAYOUTS["flax_nnx"].sides[cell]
            for side, bias, biased in zip("ih", (b, recurrent_b), sides, strict=True):
                if bias is not None and bias.shape != (len(biased) * U.shape[0],):
                    raise ValueError(f"{where}.dense_{side} has a bias of shape {bias.shape}, as no {cell}")
            return _found(Weights(W, U, b, recurrent_b), cell, "flax_nnx", where)
    raise ValueError(f"{where} has dense_h of shape {U.shape}, that of no cell in the reference")


def _found(packed: Weights, cell: str, layout: str, where: str) -> Cell:
    """A cell of packed weights. Raises ValueError, naming where."""
    try:
        return Cell(cell, unpack(packed, cell, layout))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def dictionaries(weights: Weights, cell: str) -> dict[str, Any]:
    """The dictionaries of one cell of linen; every cell of flax has biases.

    Raises ValueError where linen has no bias in the place of one that is not zero.
    """
    if weights.b is None and weights.recurrent_b is None:
        weights = weights._replace(b=np.zeros_like(weights.W[:, 0]))
    packed = pack(weights, cell, "flax")
    sides = (("i", packed.W, packed.b), ("h", packed.U, packed.recurrent_b))
    tree: dict[str, Any] = {}
    for (side, kernel, bias), biased in zip(sides, LAYOUTS["flax"].sides[cell], strict=True):
        names = keys(cell, side)
        biases = dict(zip(biased, np.split(bias, len(biased)), strict=True)) if biased else {}
        for (gate, name), part in zip(names.items(), np.split(kernel, len(names), 1), strict=True):
            tree[name] = {"kernel": part, **({"bias": biases[gate]} if gate in biases else {})}
    return tree
