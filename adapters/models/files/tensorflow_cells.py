"""A cell of Keras or TensorFlow 1, as its variables by their names.

Keras            kernel, recurrent_kernel, bias
TensorFlow 1     one kernel over inputs and state, (D + H, gates·H), with a bias, in a cell's own name:
    basic_lstm_cell, lstm_cell    gates i, j, f, o; the program adds `forget_bias`, 1 unless it says another
    basic_rnn_cell                tanh, unless the program says another
    gru_cell                      gates: r and u, candidate: c; reset before the product

Before TensorFlow 1.2 kernel and bias were `weights` and `biases`.
Source: tensorflow 1.15, `python/ops/rnn_cell_impl.py`.
"""

import re
from collections.abc import Mapping

import numpy as np

from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.files.cell import Cell
from rnn_lockstep.adapters.models.files.keras_variables import from_shapes
from rnn_lockstep.adapters.models.files.tree import Leaf, Tree
from rnn_lockstep.adapters.models.recurrent_layer import with_forget_bias
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.validation import Array

# Of the cells with one kernel: the number of gates, and the cell, by their names.
ONE_KERNEL = {
    re.compile(r"(.*_)?lstm(_block|_fused)?_cell(_\d+)?", re.S): "lstm",
    re.compile(r"(basic_)?rnn_cell(_\d+)?"): "simple_rnn",
}
GRU = {"gates", "candidate"}
KERNELS, BIASES = ("kernel", "weights"), ("bias", "biases")
GATES = {"lstm": 4, "simple_rnn": 1}
FORGET_BIAS = 1.0


def cell_in(tree: Tree, where: str) -> Cell | None:
    """The cell that a tree is; None where it is none. Raises ValueError, naming where."""
    arrays = {key.partition(":")[0]: leaf for key, leaf in tree.items() if isinstance(leaf, Leaf)}
    if {"kernel", "recurrent_kernel"} <= arrays.keys():
        return _keras(arrays, where)
    branches = {key: branch for key, branch in tree.items() if isinstance(branch, dict)}
    if branches.keys() >= GRU:
        return _gru(*(_kernel_and_bias(branches[part], f"{where}.{part}") for part in ("gates", "candidate")))
    name = where.rpartition(".")[2]
    cell = next((cell for pattern, cell in ONE_KERNEL.items() if pattern.fullmatch(name)), None)
    if cell and arrays.keys() & set(KERNELS):
        return _one_kernel(cell, tree, arrays, branches, where)
    return None


def _keras(arrays: Mapping[str, Leaf], where: str) -> Cell:
    """A cell of Keras."""
    names = [name for name in ("kernel", "recurrent_kernel", "bias") if name in arrays]
    layer = from_shapes(where, [[arrays[name].read(f"{where}.{name}") for name in names]], False)
    own = layer.record.options
    options = {name: getattr(layer, name) for name in own}
    return Cell(layer.cell, layer.cells[0], options, tuple(name for name in own if name in layer.assumed))


def _kernel_and_bias(branch: Tree, where: str) -> tuple[Array, Array]:
    """The kernel and the bias in a dictionary, by their newer or older names. Raises ValueError."""
    found = []
    for names in (KERNELS, BIASES):
        leaf = next((leaf for name in names if isinstance(leaf := branch.get(name), Leaf)), None)
        if leaf is None:
            raise ValueError(f"{where} has no {names[0]}, but {', '.join(map(str, branch))}")
        found.append(leaf.read(f"{where}.{names[0]}"))
    kernel, bias = found
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        raise ValueError(f"{where} has a kernel of shape {kernel.shape} and a bias of shape {bias.shape}")
    return kernel, bias


def _gru(gates: tuple[Array, Array], candidate: tuple[Array, Array]) -> Cell:
    """The GRU of two kernels over inputs and state."""
    rows, size = candidate[0].shape
    if gates[0].shape != (rows, 2 * size) or not 0 < size < rows:
        told = f"{gates[0].shape} and {candidate[0].shape}"
        raise ValueError(f"the kernels of its gates and candidate have shapes {told}, which do not fit")
    kernel, bias = (np.concatenate(both, axis=-1) for both in zip(gates, candidate, strict=True))
    inputs = rows - size
    weights = unpack(Weights(kernel[:inputs], kernel[inputs:], bias), "gru", "tensorflow1")
    return Cell("gru", weights, {"reset_after": False}, ("activation",))


def _one_kernel(
    cell: str, tree: Tree, arrays: Mapping[str, Leaf], branches: Mapping[str, Tree], where: str
) -> Cell:
    """The cell of one kernel over inputs and state, with a projection where there is one."""
    kernel, bias = _kernel_and_bias(tree, where)
    projection = None
    if cell == "lstm" and isinstance(leaf := branches.get("projection", {}).get("kernel"), Leaf):
        projection = leaf.read(f"{where}.projection.kernel")
    more = [*(arrays.keys() - {*KERNELS, *BIASES}), *(branches.keys() - {"projection"})]
    if more:
        raise ValueError(f"{where} has {', '.join(sorted(more))} too, as no cell that is checked")
    size = kernel.shape[1] // GATES[cell]
    if projection is not None and (projection.ndim != 2 or len(projection) != size):
        raise ValueError(f"{where} has a projection of shape {projection.shape}, and {size} units")
    states = size if projection is None else projection.shape[1]
    inputs = len(kernel) - states
    if kernel.shape[1] % GATES[cell] or not size or inputs < 1:
        raise ValueError(f"{where} has a kernel of shape {kernel.shape}, needs (D + H, {GATES[cell]}H)")
    rows = None if projection is None else projection.T
    weights = unpack(Weights(kernel[:inputs], kernel[inputs:], bias, None, rows), cell, "tensorflow1")
    if cell == "simple_rnn":
        return Cell(cell, weights, {}, ("activation",))
    forget = {"forget_bias": FORGET_BIAS}
    return Cell(cell, with_forget_bias(weights, FORGET_BIAS), forget, ("activation", "forget_bias"))
