"""The conditions under which the fields of a case fit together."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS, Weights
from rnn_lockstep.reference.oracle.layer import MERGE_MODES
from rnn_lockstep.reference.oracle.validation import (
    as_floats,
    need_finite,
    need_lengths,
    need_mask,
    need_shape,
    need_weights,
    one_of,
)

if TYPE_CHECKING:
    from rnn_lockstep.reference.oracle.case import Case


def validate(case: "Case") -> None:
    """Raise a ValueError, naming the array or option, unless the fields of a case fit together."""
    need_options(case)
    for k, weights in enumerate(case.more_weights):
        if not isinstance(weights, Weights):
            raise ValueError(f"more_weights[{k}] is a {type(weights).__name__}, needs Weights")
    for name, array in case.arrays().items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is a {type(array).__name__}, needs a NumPy array")
        as_floats(name, array, DTYPES, finite=name != "inputs")
        if array.dtype != case.inputs.dtype:
            raise ValueError(f"{name} has dtype {array.dtype}, needs {case.inputs.dtype} like inputs")
    if case.inputs.ndim != 3:
        raise ValueError(f"inputs has shape {case.inputs.shape}, needs (batch, time, input_size)")
    need_weights(case.cell, case.weights, case.input_size)
    need_more_weights(case)
    cells = "layers*directions, " if case.more_weights else ""
    for name, shape in zip(case.record.states, case.state_shapes, strict=True):
        if (state := getattr(case, name)) is not None:
            size = "hidden_size" if shape[-1] == case.hidden_size else "output_size"
            need_shape(name, state, shape, f"({cells}batch, {size})")
    if case.lengths is not None:
        need_lengths(case.lengths, case.batch, case.time)
    if case.mask is not None:
        need_mask(case.mask, case.batch, case.time)
    need_finite("inputs", case.inputs, among=case.valid)


def need_options(case: "Case") -> None:
    """Raise a ValueError unless the options are known and go together."""
    one_of("cell", case.cell, CELLS)
    for name in ("activation", "recurrent_activation"):
        one_of(name, getattr(case, name), case.record.options.get(name, tuple(ACTIVATIONS)))
    if type(case.input_forget) is not bool:
        raise ValueError(f"input_forget is {case.input_forget!r}, needs True or False")
    if case.input_forget and "f" not in case.record.gates:
        raise ValueError(f"input_forget is {case.input_forget!r}, and a {case.cell} has no gate f")
    if case.clip is not None and not is_clip(case.clip, case.inputs.dtype):
        raise ValueError(
            f"clip is {case.clip!r}, needs a positive float that {case.inputs.dtype} has exactly"
        )
    if case.merge_mode is not None:
        one_of("merge_mode", case.merge_mode, MERGE_MODES)
    if case.reverse and (case.merge_mode or case.more_weights):
        raise ValueError("reverse goes with one layer of one direction")
    if case.lengths is not None and case.mask is not None:
        raise ValueError("lengths and mask are two ways to say the same, needs one of them")
    cell_state = len(case.record.states) == 2 and case.initial_state is not None
    if (case.initial_cell_state is not None) != cell_state:
        raise ValueError("initial_cell_state goes with the initial_state of an LSTM, and with no other")


def is_clip(clip: object, dtype: Any) -> bool:
    """Tell whether sums can be limited to this in a dtype: no backend rounds it then."""
    with np.errstate(over="ignore"):
        return type(clip) is float and 0 < clip < np.inf and float(np.asarray(clip, dtype)) == clip


def need_more_weights(case: "Case") -> None:
    """Raise a ValueError unless the further weights are those of whole layers, each like the first cell's."""
    if case.directions == 2 and len(case.more_weights) % 2 == 0:
        raise ValueError(
            f"more_weights has {len(case.more_weights)} cells beside the first, needs an odd number: "
            "each layer has two directions"
        )
    for k, weights in enumerate(case.more_weights, start=1):
        input_size = case.input_size if k < case.directions else case.features
        name = f"more_weights[{k - 1}]."
        need_weights(case.cell, weights, input_size, name)
        need_shape(f"{name}U", weights.U, case.U.shape, "that of the first cell's U")
        for own in ("b", "recurrent_b", "projection"):
            if (getattr(weights, own) is None) != (getattr(case, own) is None):
                raise ValueError(f"{name}{own} must be there where the first cell's is, and only there")
