"""The attributes of ONNX's RNN, GRU and LSTM nodes as the options of a layer."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.onnx_nodes import FUNCTIONS, OPERATORS, PARAMETERS
from rnn_lockstep.adapters.models.files.onnx_constants import attributes_of

# The parameters of each where the node has none: those of the last above, but an Affine has zeros, as in
# ONNX Runtime. Names are read in any case.
USUAL = {name.lower(): parameters for name, parameters in FUNCTIONS.values()} | {"affine": (0.0, 0.0)}
# The type of each attribute that decides anything; of a list, that of each of its values.
TYPES = {
    **dict.fromkeys(("direction", "activations"), bytes),
    **dict.fromkeys(("hidden_size", "input_forget", "layout", "linear_before_reset"), int),
    **dict.fromkeys((*PARAMETERS, "clip"), float),
}
# The operator that merges both directions, by merge_mode; "concat" needs none of its own.
MERGES = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def options_of(node: Any) -> dict[str, Any]:
    """The fields of a RecurrentLayer. Raises ValueError, naming the attribute that has no place there."""
    attributes = attributes_of(node)
    for name, value in attributes.items():
        listed, kind = name in ("activations", *PARAMETERS), TYPES.get(name, object)
        values = value if listed and isinstance(value, list) else [value]
        if (listed and values is not value) or any(not isinstance(v, kind) for v in values):
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
        **_activations(operator.activations * DIRECTIONS[direction], attributes),
        "reset_after": node.op_type != "GRU" or attributes.get("linear_before_reset", 0) == 1,
        "reverse": direction == "reverse",
        "merge_mode": "concat" if direction == "bidirectional" else None,
    }


def _activations(options: tuple[str, ...], attributes: dict[str, Any]) -> dict[str, str]:
    """The activations that a node tells, by the option that each of them is."""
    names: list[str] = [name.decode("ascii", "replace") for name in attributes.get("activations", ())]
    if len(names) not in (0, len(options)):
        raise ValueError(f"it has {len(names)} activations, needs {len(options)}")
    found: dict[str, str] = {}
    for option, function in zip(options, _functions(names, attributes), strict=False):
        if found.setdefault(option, function) != function:
            told = f"{option} is {found[option]} in one place and {function} in another"
            raise ValueError(f"it has the activations {', '.join(names)}: {told}, which must be one")
    return found


def _functions(names: list[str], attributes: dict[str, Any]) -> list[str]:
    """The reference's names of ONNX's activations, by their names and parameters."""
    for name in names:
        if name.lower() not in USUAL:
            known = ", ".join(dict.fromkeys(known for known, _ in FUNCTIONS.values()))
            raise ValueError(f"it has the activation {name}, which is none of {known}")
    parameters = [list(USUAL[name.lower()]) for name in names]
    for k, attribute in enumerate(PARAMETERS):
        users = [own for own in parameters if len(own) > k]
        values = attributes.get(attribute) or [own[k] for own in users]
        if len(values) == len(names):  # some files have one for each, used or not
            values = [value for value, own in zip(values, parameters, strict=True) if len(own) > k]
        if users and len(values) != len(users):
            raise ValueError(f"it has {len(values)} values of {attribute} for {len(users)} activations")
        for own, value in zip(users, values, strict=False):
            own[k] = float(value)
    return [_function(name, own) for name, own in zip(names, parameters, strict=True)]


def _function(name: str, parameters: list[float]) -> str:
    """The reference's name of one of ONNX's activations. Raises ValueError for other parameters."""
    for ours, (known, own) in FUNCTIONS.items():
        if known.lower() == name.lower() and np.allclose(own, parameters, 0, 1e-6):
            return ours
    told = " and ".join(f"{k}={value:.6g}" for k, value in zip(("alpha", "beta"), parameters, strict=False))
    raise ValueError(f"it has {name} of {told}, which is no activation here")
