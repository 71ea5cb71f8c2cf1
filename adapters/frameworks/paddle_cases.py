"""A case as Paddle's layers need it: the form of a layer, what is refused, the weights, the padding."""

from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.frameworks.torch_adapter import unsupported
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.validation import Array

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_ho")  # in the order of `Weights`


class Form(NamedTuple):
    """The fields of a case that force a new layer."""

    cell: str
    activation: str
    dtype: str
    input_size: int
    hidden_size: int
    projection: int  # 0 where there is none
    bias: bool
    layers: int
    directions: int
    reverse: bool
    place: int  # among the layers of the case


def form_of(case: Case, layers: int, input_size: int, place: int) -> Form:
    """The form of what runs some layers of a case. place: among the layers of the case."""
    return Form(
        case.cell,
        case.activation,
        case.dtype.name,
        input_size,
        case.hidden_size,
        0 if case.projection is None else case.output_size,
        case.b is not None or case.recurrent_b is not None,
        layers,
        case.directions,
        case.reverse,
        place,
    )


def refusal(case: Case, cells: bool) -> str:
    """The reason why Paddle's layers, or its cells, cannot express the case; empty when they can."""
    loop = cells or case.projection is not None
    if case.projection is not None and case.output_size >= case.hidden_size:
        return "proj_size must be smaller than hidden_size"
    if cells and case.projection is not None and case.initial_state is None:
        return "the [1] dimension of Input(X) must be equal to the [1] dimension of Input(Y)"
    if loop and case.time == 0:
        return "cannot access local variable 'new_states' where it is not associated with a value"
    if case.batch == 0 and not loop and case.cell != "simple_rnn":
        return "Tensor holds no memory"
    if case.batch == 0 and (case.reverse or case.more_weights):
        return "The input size should not be 0."
    return unsupported(case).replace("torch.nn.", "paddle.nn.")


def arrays_of(case: Case) -> list[Array]:
    """The inputs and, unless they are omitted, the initial states by cell."""
    return [case.inputs, *([] if case.initial_state is None else map(case.by_cell, case.start))]


def cell_of(layer: Any, direction: Direction) -> Any:
    """The cell of one direction in a loop of Paddle's."""
    if hasattr(layer, "cell"):
        return layer.cell
    return layer.cell_bw if direction.reverse else layer.cell_fw


def load(cell: Any, direction: Direction, kind: str) -> None:
    """Give a cell its weights."""
    for name, array in zip(PARAMETERS, turned(pack(direction.weights, kind, "torch")), strict=False):
        if array is not None:
            getattr(cell, name).set_value(np.ascontiguousarray(array))


def gradient_of(tensor: Any) -> Any:
    """The gradient of a tensor, zeros where nothing depends on it; None of none, or of a bias that is off."""
    if tensor is None or tensor.stop_gradient:
        return None
    return np.zeros_like(tensor.numpy()) if tensor.grad is None else tensor.grad.numpy()


def turned(weights: Weights) -> Weights:
    """The weights with a projection (hidden_size, output_size) for (output_size, hidden_size), and back."""
    return weights if weights.projection is None else weights._replace(projection=weights.projection.T)


def unpadded(case: Case, outputs: Array) -> Array:
    """Outputs, or cotangents of them, that are zero on padding and in rows without steps."""
    counts = case.valid[..., None] if case.return_sequences else case.valid.any(axis=1, keepdims=True)
    return np.where(counts, outputs, outputs.dtype.type(0))
