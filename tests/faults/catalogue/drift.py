"""Faults so small that they lie inside the proven bound: in float32 and half types, of 64 units or more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.engine import Engine, as_arrays
from tests.faults.faulty import Array, Fault, to_bits

WIDE = 64
MILLIONTH = 1 + 1e-6


def drifting(
    name: str,
    dtype: str,
    cells: tuple[str, ...],
    answer: Callable[[Case], Trace],
    applies: Callable[[Case], bool] = lambda case: True,
) -> Fault:
    """Make a fault of wide layers in a dtype, in the cases to which it applies."""

    def answered(case: Case) -> Trace:
        wide = case.hidden_size >= WIDE and case.dtype == dtype and case.cell in cells
        return answer(case) if wide and applies(case) else NumpyAdapter().run(case)

    return Fault(name, "drift", cells, False, answer=answered)


def with_weights(change: Callable[[Case, Weights], Weights]) -> Callable[[Case], Trace]:
    """Make an answer with other weights, in the case's dtype."""

    def answer(case: Case) -> Trace:
        first, *more = (change(case, weights) for weights in (case.weights, *case.more_weights))
        return NumpyAdapter().run(replace(case, **first._asdict(), more_weights=tuple(more)))

    return answer


def too_large(name: str, rows: Callable[[Case], slice] = lambda case: slice(None)) -> Callable[[Case], Trace]:
    """Make an answer with rows of some weights too large by a millionth."""

    def change(case: Case, weights: Weights) -> Weights:
        array = getattr(weights, name)
        if array is None:
            return weights
        wide = array.astype(np.float64)
        wide[rows(case)] *= MILLIONTH
        return weights._replace(**{name: wide.astype(case.dtype)})

    return with_weights(change)


def with_operands(bits: int) -> Callable[[Case], Trace]:
    """Make an answer whose products are taken from numbers of so many bits."""

    class Short(np.ndarray[Any, Any]):
        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
            arrays = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
            if ufunc is np.matmul:
                arrays = [to_bits(array, bits) for array in arrays]
            return ufunc(*arrays).view(Short)

    return lambda case: as_arrays(Engine(lambda array: array.view(Short)).answer(case))


class InFloat16(np.ndarray[Any, Any]):
    """An array in float16 whose matrix products are summed in it too."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        arrays = [np.asarray(x, np.float32) if isinstance(x, np.ndarray) else x for x in operands]
        if ufunc is not np.matmul:
            return ufunc(*arrays).astype(np.float16).view(InFloat16)
        a, b = arrays
        total = np.zeros((len(a), b.shape[1]), np.float16)
        for k in range(len(b)):
            total = (total + a[:, k : k + 1] * b[k]).astype(np.float16)
        return total.view(InFloat16)


def in_two_layers(case: Case) -> bool:
    return case.layers == 2 and case.merge_mode == "concat"


def merged_by_sum(case: Case) -> bool:
    return case.merge_mode == "sum"


def outputs_too_large(case: Case) -> Trace:
    """Answer with outputs that are a hundred-thousandth too large."""
    trace = NumpyAdapter().run(case)
    outputs = trace.outputs.astype(np.float64) * (1 + 1e-5)
    return replace(trace, outputs=outputs.astype(case.dtype))


def last_gate(case: Case) -> slice:
    return slice(-case.hidden_size, None)


def tanh_off(case: Case) -> Trace:
    """Compute tanh with an error of up to 2e-6, as an approximation by a short polynomial has it."""
    activation = ACTIVATIONS["tanh"]

    def sloppy(z: Array) -> Array:
        h = np.tanh(z)
        return h * (1 + 2e-6 * (1 - h * h)) if z.dtype == np.float32 else h

    try:
        ACTIVATIONS["tanh"] = replace(activation, function=sloppy)
        return NumpyAdapter().run(case)
    finally:
        ACTIVATIONS["tanh"] = activation


EVERY = ("simple_rnn", "gru", "lstm", "peephole_lstm")
GATED = ("gru", "lstm", "peephole_lstm")
u_too_large_by_a_millionth = drifting("u_too_large_by_a_millionth", "float32", EVERY, too_large("U"))
w_too_large_by_a_millionth = drifting("w_too_large_by_a_millionth", "float32", EVERY, too_large("W"))
bias_too_large_by_a_millionth = drifting("bias_too_large_by_a_millionth", "float32", EVERY, too_large("b"))
bias_of_a_gate_too_large_by_a_millionth = drifting(
    "bias_of_a_gate_too_large_by_a_millionth", "float32", GATED, too_large("b", last_gate)
)
wide_products_in_tf32 = drifting("wide_products_in_tf32", "float32", EVERY, with_operands(11))
wide_products_in_bfloat16 = drifting("wide_products_in_bfloat16", "float32", EVERY, with_operands(8))
wide_sums_in_float16 = drifting(
    "wide_sums_in_float16",
    "float16",
    EVERY,
    lambda case: as_arrays(Engine(lambda array: array.view(InFloat16)).answer(case)),
)
wide_tanh_off_by_2e_6 = drifting("wide_tanh_off_by_2e_6", "float32", EVERY, tanh_off)
wide_stacks_in_tf32 = drifting("wide_stacks_in_tf32", "float32", EVERY, with_operands(11), in_two_layers)
wide_merged_outputs_too_large = drifting(
    "wide_merged_outputs_too_large", "float32", EVERY, outputs_too_large, merged_by_sum
)
