"""Scans of a program as calls of a cell: which of their arrays are the inputs, the states and the outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_lockstep.adapters.port.whole.jax_program import Scan, called, parts_of
from rnn_lockstep.adapters.port.whole.model import Call, told_by
from rnn_lockstep.reference.oracle.validation import Array

# What moves numbers and changes none.
MOVES = (
    *("reshape", "broadcast_in_dim", "concatenate", "convert_element_type", "transpose", "squeeze"),
    *("expand_dims", "copy", "copy_p", "stop_gradient", "split", "slice"),
)
NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Roles:
    """The places of a recurrent layer's arrays in a scan.

    inputs: among its steps.  states: among its carries, h before c.
    outputs: among its outputs; None where no step's are given.
    mask: among its steps, where there is one that tells which of them count.
    """

    inputs: int
    states: tuple[int, ...]
    outputs: int | None
    mask: int | None = None


def roles_of(scan: Scan) -> Roles | None:
    """The roles of a scan's arrays; None where it is not known to be one recurrent layer.

    W multiplies the inputs and U the state h, which is how these are known.
    """
    body = scan.equation.params["jaxpr"].jaxpr
    _, begin, steps = parts_of(scan.equation, body.invars)
    _, end, _ = parts_of(scan.equation, [*[None] * scan.equation.params["num_consts"], *body.outvars])
    multiplied = set[int]()
    origins(body, [frozenset({k}) for k in range(len(body.invars))], multiplied)
    products = {body.invars[k] for k in multiplied}
    inputs = [k for k, v in enumerate(steps) if is_float(v.aval, 2) and v in products]
    changed = [k for k, v in enumerate(begin) if is_float(v.aval, 2) and end[k] is not v]
    if len(inputs) != 1 or len(changed) not in (1, 2):
        return None
    first = [k for k in changed if begin[k] in products]
    if len(first) != 1 or len({begin[k].aval.shape for k in changed}) != 1:
        return None
    states = (first[0], *(k for k in changed if k != first[0]))
    masks = [k for k, v in enumerate(steps) if is_mask(v.aval)]
    outputs = outputs_of(scan, first[0])
    if outputs is None and any(array.ndim == 3 for array in scan.given):
        return None
    return Roles(inputs[0], states, outputs, masks[0] if len(masks) == 1 else None)


def is_float(aval: Any, axes: int) -> bool:
    """Tell whether arrays of a kind are of float32 or float64, with as many axes."""
    return aval.dtype in (np.float32, np.float64) and len(aval.shape) == axes


def is_mask(aval: Any) -> bool:
    """Tell whether arrays of a kind tell for each row whether a step counts."""
    return aval.dtype == np.bool_ and len([size for size in aval.shape if size != 1]) <= 1


def outputs_of(scan: Scan, state: int) -> int | None:
    """The place of the outputs: those which end with the final state, or the only ones."""
    every = [k for k, array in enumerate(scan.given) if is_float(array, 3)]
    last = 0 if scan.equation.params["reverse"] else -1
    end = np.asarray(scan.end[state])
    same = [
        k for k in every if scan.given[k].shape[0] and np.array_equal(np.asarray(scan.given[k])[last], end)
    ]
    found = same or (every if len(every) == 1 else [])
    return found[0] if found else None


def origins(program: Any, given: Sequence[frozenset[int]], multiplied: set[int]) -> list[frozenset[int]]:
    """Which inputs each output is made of, by moving numbers alone.

    multiplied: takes up those of which a product is made.
    """
    found: dict[Any, frozenset[int]] = dict(zip(program.invars, given, strict=True))

    def of(variable: Any) -> frozenset[int]:
        return NONE if hasattr(variable, "val") else found.get(variable, NONE)

    for equation in program.eqns:
        parts = [of(v) for v in equation.invars]
        every = NONE.union(*parts)
        if (inner := called(equation)) is not None:
            outs = origins(inner[0], parts, multiplied)
        else:
            if equation.primitive.name == "dot_general":
                multiplied |= every
            outs = [every if equation.primitive.name in MOVES else NONE] * len(equation.outvars)
        found.update(zip(equation.outvars, outs, strict=True))
    return [of(v) for v in program.outvars]


def call_of(scan: Scan, roles: Roles, name: str) -> Call:
    """The call of a cell that a scan is."""

    def states(carries: Sequence[Any]) -> tuple[Array, ...]:
        return tuple(np.array(carries[k])[None] for k in roles.states)

    outputs = None if roles.outputs is None else by_row(scan.given[roles.outputs])
    last = np.array(scan.end[roles.states[0]]) if outputs is None else None
    mask = None if roles.mask is None else np.array(scan.steps[roles.mask])
    told = told_by(None if mask is None else mask.reshape(len(mask), -1).T)
    inputs = by_row(scan.steps[roles.inputs])
    return Call(name, inputs, states(scan.begin), outputs, last, states(scan.end), *told, unnamed=True)


def by_row(steps: Any) -> Array:
    """Steps (time, batch, size) as (batch, time, size), and back."""
    return np.array(steps).swapaxes(0, 1)


def emitting(scan: Scan, roles: Roles, instead: Call) -> tuple[list[Any], list[Any]]:
    """The final carries and the outputs of a scan that emits another's, where there are any."""
    end, given = list(scan.end), list(scan.given)
    if instead.final:
        for k, state in zip(roles.states, instead.final, strict=True):
            end[k] = like(state[0], end[k])
    if instead.outputs is not None and roles.outputs is not None:
        given[roles.outputs] = like(by_row(instead.outputs), given[roles.outputs])
    return end, given


def like(array: Array, other: Any) -> Any:
    """An array as another is: of JAX, and in its dtype. Raises ValueError where the shapes differ."""
    import jax

    if array.shape != other.shape:
        raise ValueError(f"it cannot emit an array of shape {array.shape}, its own has {other.shape}")
    return jax.numpy.asarray(array, other.dtype)
