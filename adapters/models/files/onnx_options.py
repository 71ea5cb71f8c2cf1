"""The options of a layer as the attributes of ONNX's RNN, GRU and LSTM nodes, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files.onnx_constants import attributes_of
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer

# A HardSigmoid's alpha and beta.
HARD_SIGMOIDS = {"hard_sigmoid_keras2": (0.2, 0.5), "hard_sigmoid": (1 / 6, 0.5)}
GATES = ("sigmoid", *HARD_SIGMOIDS)


@dataclass(frozen=True)
class Operator:
    """An operator of ONNX that is a cell.

    usual: its activations where none are given.  option: the one that the first of them is, which alone can
    be another, of `allowed`.  outputs: of all steps, then final states.
    """

    cell: str
    usual: tuple[str, ...]
    option: str
    allowed: tuple[str, ...]
    outputs: tuple[str, ...]


OPERATORS = {
    "RNN": Operator("simple_rnn", ("Tanh",), "activation", ("tanh", "relu"), ("Y", "Y_h")),
    "GRU": Operator("gru", ("Sigmoid", "Tanh"), "recurrent_activation", GATES, ("Y", "Y_h")),
    "LSTM": Operator("lstm", ("Sigmoid", "Tanh", "Tanh"), "recurrent_activation", GATES, ("Y", "Y_h", "Y_c")),
}
OF_CELL = {operator.cell: op_type for op_type, operator in OPERATORS.items()}
# The type of each attribute that decides anything; of a list, that of each of its values.
TYPES = {
    **dict.fromkeys(("direction", "activations"), bytes),
    **dict.fromkeys(("hidden_size", "input_forget", "layout", "linear_before_reset"), int),
    **dict.fromkeys(("activation_alpha", "activation_beta", "clip"), float),
}
# The operator that merges both directions, by merge_mode; "concat" needs none of its own.
MERGES = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def options_of(node: Any) -> dict[str, Any]:
    """The fields of a RecurrentLayer. Raises ValueError, naming the attribute that has no place there."""
    attributes = attributes_of(node)
    for name, value in attributes.items():
        values = value if name.startswith("activation") and isinstance(value, list) else [value]
        if any(not isinstance(v, TYPES.get(name, object)) for v in values):
            raise ValueError(f"its {name} is a {type(value).__name__}")
    if "clip" in attributes:
        raise ValueError(f"it has clip={attributes['clip']}, which no other framework has")
    if attributes.get("input_forget", 0):
        raise ValueError("it has input_forget, an LSTM whose input and forget gates are one")
    direction = attributes.get("direction", b"forward").decode("ascii", "replace")
    if direction not in DIRECTIONS:
        raise ValueError(f"its direction is {direction!r}, needs one of {', '.join(DIRECTIONS)}")
    for name in ("layout", "linear_before_reset"):
        if attributes.get(name, 0) not in (0, 1):
            raise ValueError(f"its {name} is {attributes[name]}, needs 0 or 1")
    operator = OPERATORS[node.op_type]
    return {
        "cell": operator.cell,
        operator.option: _activation(operator, attributes, DIRECTIONS[direction]),
        "reset_after": node.op_type != "GRU" or attributes.get("linear_before_reset", 0) == 1,
        "reverse": direction == "reverse",
        "merge_mode": "concat" if direction == "bidirectional" else None,
    }


def _activation(operator: Operator, attributes: dict[str, Any], directions: int) -> str:
    """The first activation, which all directions have; the others must be the usual ones."""
    usual = operator.usual
    names: list[str] = [name.decode("ascii", "replace") for name in attributes.get("activations", ())]
    names = names or [*usual] * directions
    if len(names) != len(usual) * directions:
        raise ValueError(f"it has {len(names)} activations, needs {len(usual) * directions}")
    hard = [k for k, name in enumerate(names) if name.lower() == "hardsigmoid"]
    slopes = _values(attributes, "activation_alpha", 0.2, hard, len(names))
    middles = _values(attributes, "activation_beta", 0.5, hard, len(names))
    known = [name.lower() for name in names]
    for k, pair in zip(hard, zip(slopes, middles, strict=True), strict=True):
        same = [name for name, other in HARD_SIGMOIDS.items() if np.allclose(pair, other, 0, 1e-6)]
        if not same:
            raise ValueError(f"it has a HardSigmoid of alpha={pair[0]:.6g} and beta={pair[1]:.6g}")
        known[k] = same[0]
    first = known[0]
    allowed = operator.allowed
    if (first not in allowed) or (first in HARD_SIGMOIDS and 0 not in hard):
        raise ValueError(f"it has the activation {names[0]}, which is none of {', '.join(allowed)}")
    if known != [first, *(name.lower() for name in usual[1:])] * directions:
        raise ValueError(f"it has the activations {', '.join(names)}, of which only the first may be unusual")
    return first


def _values(
    attributes: dict[str, Any], name: str, default: float, users: list[int], count: int
) -> list[float]:
    """The values for the activations at the places `users`; some files have one for each of `count`."""
    values = attributes.get(name) or [default] * len(users)
    if len(values) == len(users) or not users:
        return [float(value) for value in values[: len(users)]]
    if len(values) == count:
        return [float(values[k]) for k in users]
    raise ValueError(f"it has {len(values)} values of {name} for {len(users)} activations")


def attributes_for(layer: RecurrentLayer, op_type: str) -> dict[str, Any]:
    """The attributes of each of a layer's nodes."""
    single = "reverse" if layer.reverse else "forward"
    attributes: dict[str, Any] = {
        "hidden_size": layer.hidden_size,
        "direction": single if layer.directions == 1 else "bidirectional",
    }
    if op_type == "GRU":
        attributes["linear_before_reset"] = int(layer.reset_after)
    operator = OPERATORS[op_type]
    value = getattr(layer, operator.option)
    first = "HardSigmoid" if value in HARD_SIGMOIDS else value.capitalize()
    if value in HARD_SIGMOIDS:
        alpha, beta = HARD_SIGMOIDS[value]
        attributes["activation_alpha"] = [alpha] * layer.directions
        attributes["activation_beta"] = [beta] * layer.directions
    if first != operator.usual[0]:
        attributes["activations"] = [first, *operator.usual[1:]] * layer.directions
    return attributes
