"""ONNX's operators RNN, GRU and LSTM: a case as a model of one node, what it is fed, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Refused
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True)
class Operator:
    """An operator of ONNX that is a cell.

    activations: the option that each of its activations f, g and h is.  outputs: of all steps, then final
    states.
    """

    cell: str
    activations: tuple[str, ...]
    outputs: tuple[str, ...]


OPERATORS = {
    "RNN": Operator("simple_rnn", ("activation",), ("Y", "Y_h")),
    "GRU": Operator("gru", ("recurrent_activation", "activation"), ("Y", "Y_h")),
    "LSTM": Operator("lstm", ("recurrent_activation", "activation", "activation"), ("Y", "Y_h", "Y_c")),
}
OF_CELL = {operator.cell: op_type for op_type, operator in OPERATORS.items()} | {"peephole_lstm": "LSTM"}
# ONNX's activations with their alpha and beta, as far as they have any.
FUNCTIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "tanh": ("Tanh", ()),
    "sigmoid": ("Sigmoid", ()),
    "relu": ("Relu", ()),
    "softsign": ("Softsign", ()),
    "elu": ("Elu", (1.0,)),
    "linear": ("Affine", (1.0, 0.0)),
    "hard_sigmoid": ("HardSigmoid", (1 / 6, 0.5)),
    "hard_sigmoid_keras2": ("HardSigmoid", (0.2, 0.5)),
}
# What the operators can express, by the names in `Facts`.
IN_ONNX: dict[str, Any] = {
    "cells": tuple(operator.cell for operator in OPERATORS.values()),
    "biases": (0, 1, 2),
    "lengths": True,
    "reverse": True,
    "merge_modes": ("concat",),
    "last_output": True,
    "activations": EVERYTHING["activations"],
    "clip": True,
    "input_forget": True,
}
WITH_PEEPHOLES = tuple(OF_CELL)  # the cells of an engine that heeds the input P; some take no notice of it
PARAMETERS = ("activation_alpha", "activation_beta")
# The inputs of a node, in order, and how many axes each has; the last two are an LSTM's. Then its outputs.
INPUTS = {
    **{"X": 3, "W": 3, "R": 3, "B": 2, "sequence_lens": 1},
    **{"initial_h": 3, "initial_c": 3, "P": 2},
}
BY_STEP = ("X", "initial_h", "initial_c")  # the inputs whose first two axes are the other way with layout 1
AXES = {**INPUTS, "Y": 4, "Y_h": 3, "Y_c": 3}
VERSIONS = (22, 10)  # of the operators and of the file format, the oldest that have bfloat16


def attributes_for(layer: Any, op_type: str) -> dict[str, Any]:
    """The attributes of each of a layer's nodes. layer: a case, or a RecurrentLayer of a model."""
    single = "reverse" if layer.reverse else "forward"
    attributes: dict[str, Any] = {
        "hidden_size": layer.hidden_size,
        "direction": single if layer.directions == 1 else "bidirectional",
    }
    if op_type == "GRU":
        attributes["linear_before_reset"] = int(layer.reset_after)
    operator = OPERATORS[op_type]
    functions = [FUNCTIONS[getattr(layer, option)] for option in operator.activations] * layer.directions
    usual = [FUNCTIONS[layer.record.options[option][0]] for option in operator.activations]
    if functions != usual * layer.directions:
        attributes["activations"] = [name for name, _ in functions]
    for k, attribute in enumerate(PARAMETERS):
        if values := [parameters[k] for _, parameters in functions if len(parameters) > k]:
            attributes[attribute] = values
    return attributes


def own_attributes(case: Case) -> dict[str, Any]:
    """The attributes of a case's node that no other framework has an option for, those that it needs.

    Raises Refused where a clip is no float32, as the attribute is.
    """
    clip = {} if case.clip is None else {"clip": case.clip}
    if case.clip is not None and float(np.float32(case.clip)) != case.clip:
        raise Refused(f"the attribute clip is a float32, and {case.clip} is none")
    return clip | ({"input_forget": 1} if case.input_forget else {})


class Form(NamedTuple):
    """What a model depends on: all of a case but its arrays.

    attributes: as pairs, with tuples for lists.  given: the names of the inputs that it has.
    """

    op_type: str
    dtype: str
    attributes: tuple[tuple[str, Any], ...]
    given: tuple[str, ...]


def form_of(case: Case, layout: int = 0) -> Form:
    """The form of a case's model. layout: ONNX's attribute; with 1 a batch's rows come before the steps."""
    op_type = OF_CELL[case.cell]
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes_for(case, op_type).items()
    }
    attributes |= own_attributes(case)
    if layout:
        attributes["layout"] = layout
    return Form(op_type, case.dtype.name, tuple(attributes.items()), tuple(feeds(case)))


def feeds(case: Case, layout: int = 0) -> dict[str, Array]:
    """The inputs of a case's node by name, without those that it leaves out. layout: as for `form_of`."""
    packed = [pack(direction.weights, case.cell, "onnx") for direction in case.passes[0]]
    found = {
        "X": case.inputs.swapaxes(0, 1),
        "W": np.stack([w.W for w in packed]),
        "R": np.stack([w.U for w in packed]),
    }
    if packed[0].b is not None:
        found["B"] = np.stack([np.concatenate([w.b, w.recurrent_b]) for w in packed])
    if packed[0].peepholes is not None:
        found["P"] = np.stack([w.peepholes for w in packed])
    if case.lengths is not None:
        found["sequence_lens"] = case.lengths.astype(np.int32)
    if case.initial_state is not None:
        found |= zip(("initial_h", "initial_c"), map(case.by_cell, case.start), strict=False)
    if layout:
        found |= {name: found[name].swapaxes(0, 1) for name in BY_STEP if name in found}
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def model_of(form: Form, constants: Mapping[str, Array] = MappingProxyType({})) -> Any:
    """Make the model, an onnx.ModelProto: one node, whose inputs and outputs, of any size, are the model's.

    constants: those of the inputs that are stored in the model instead.
    """
    from onnx import TensorProto, helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(dtype_of(form))
    outputs = OPERATORS[form.op_type].outputs
    inputs = [name if name in form.given else "" for name in INPUTS]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node(form.op_type, inputs, outputs, **dict(form.attributes))
    kinds = {name: TensorProto.INT32 if name == "sequence_lens" else kind for name in (*form.given, *outputs)}
    values = {
        name: helper.make_tensor_value_info(name, kind, [None] * AXES[name]) for name, kind in kinds.items()
    }
    graph = helper.make_graph(
        [node],
        form.op_type,
        [values[n] for n in form.given if n not in constants],
        [values[n] for n in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset, version = VERSIONS
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version)


def fix_sizes(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Tell the sizes of those inputs of a model that `shapes` has."""
    for value in model.graph.input:
        for size, told in zip(shapes.get(value.name, ()), value.type.tensor_type.shape.dim, strict=False):
            told.dim_value = size


def dtype_of(form: Form) -> np.dtype[Any]:
    """The dtype of a form's numbers."""
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16 if form.dtype == "bfloat16" else form.dtype)


def trace_of(case: Case, outputs: Array, *states: Array, layout: int = 0) -> Trace:
    """The node's outputs (time, directions, batch, H) and states (directions, batch, H) as a trace.

    With layout 1 these are (batch, time, directions, H) and (batch, directions, H).
    Without return_sequences the outputs are those of the last step, which are the final states Y_h.
    """
    if layout:
        outputs, states = outputs.transpose(1, 2, 0, 3), tuple(state.swapaxes(0, 1) for state in states)
    outputs = outputs.transpose(2, 0, 1, 3) if case.return_sequences else states[0].swapaxes(0, 1)
    by_row = outputs.reshape(*outputs.shape[: 2 if case.return_sequences else 1], case.features)
    shapes = zip(states, case.state_shapes, strict=True)
    return Trace(by_row, *(state.reshape(shape) for state, shape in shapes))
