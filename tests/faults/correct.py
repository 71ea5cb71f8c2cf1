"""Correct backends that add up in other ways, or in a wider dtype. None of them may be called wrong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Facts, Trace
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.engine import Engine, as_arrays
from rnn_lockstep.reference.oracle.gradients import zero_on_padding
from tests.faults.faulty import Array, run

Sum = Callable[[Array, Array], Array]  # operands (batch, H, terms) -> sum of their products (batch, H)


def sequential(a: Array, b: Array) -> Array:
    total = np.zeros(a.shape[:-1], a.dtype)
    for k in range(a.shape[-1]):
        total = total + a[..., k] * b[..., k]
    return total


def reversed_order(a: Array, b: Array) -> Array:
    return sequential(a[..., ::-1], b[..., ::-1])


def flushing(a: Array, b: Array) -> Array:
    """Read and write zero for subnormal numbers, as XLA and Eigen do."""

    def flush(x: Array) -> Array:
        return np.where(np.abs(x) < np.finfo(x.dtype).smallest_normal, 0, x).astype(x.dtype)

    a, b = flush(a), flush(b)
    total = np.zeros(a.shape[:-1], a.dtype)
    for k in range(a.shape[-1]):
        total = flush(total + flush(a[..., k] * b[..., k]))
    return total


def fused_multiply_add(a: Array, b: Array) -> Array:
    """Round once for each product and addition, as nearly as a wider dtype can tell."""
    wide = np.float64 if a.dtype == np.float32 else np.longdouble
    total = np.zeros(a.shape[:-1], a.dtype)
    for k in range(a.shape[-1]):
        total = (a[..., k].astype(wide) * b[..., k] + total).astype(a.dtype)
    return total


def pairwise(a: Array, b: Array) -> Array:
    terms = a * b
    while terms.shape[-1] > 1:
        if terms.shape[-1] % 2:
            terms = np.concatenate([terms, np.zeros_like(terms[..., :1])], axis=-1)
        terms = terms[..., ::2] + terms[..., 1::2]
    return terms[..., 0]


def eight_lanes(a: Array, b: Array) -> Array:
    terms = a * b
    pad = -terms.shape[-1] % 8
    terms = np.concatenate([terms, np.zeros((*terms.shape[:-1], pad), terms.dtype)], axis=-1)
    lanes = terms.reshape(*terms.shape[:-1], -1, 8)
    return pairwise(np.add.accumulate(lanes, axis=-2)[..., -1, :], np.ones(8, terms.dtype))


def smallest_first(a: Array, b: Array) -> Array:
    terms = a * b
    return sequential(np.take_along_axis(terms, np.argsort(np.abs(terms), axis=-1), -1), np.ones_like(terms))


def in_blocks(a: Array, b: Array) -> Array:
    """Add up blocks of 32 terms by themselves, and then the blocks, as a matrix product in the cache does."""
    totals = [sequential(a[..., k : k + 32], b[..., k : k + 32]) for k in range(0, a.shape[-1], 32)]
    return sequential(np.stack(totals, axis=-1), np.ones(len(totals), totals[0].dtype))


def wide_accumulator(a: Array, b: Array) -> Array:
    return (a.astype(np.float64) * b).sum(axis=-1).astype(a.dtype)


class InAnotherOrder:
    """Backend that adds up all terms, the bias among them, by one of the functions above."""

    def __init__(self, sum_of_products: Sum) -> None:
        self.sum_of_products = sum_of_products
        self.facts = Facts(sum_of_products.__name__, tanh_ulps={"float32": 2, "float64": 2})

    def run(self, case: Case) -> Trace:
        weights = np.concatenate([case.W, case.U, case.b[:, None]], axis=1)

        def step(t: int, x: Array, h: Array, c: Case) -> Array:
            operands = np.concatenate([x, h, np.ones_like(h[:, :1])], axis=1)
            return ACTIVATIONS[c.activation](self.sum_of_products(operands[:, None], weights))

        with np.errstate(all="ignore"):
            return run(case, step)


class Summed(np.ndarray[Any, Any]):
    """An array whose matrix products are summed in an order of its own; of half types in float32."""

    order: Sum

    def __array_finalize__(self, other: Any) -> None:
        self.order = getattr(other, "order", sequential)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        sums_in = np.float32 if self.dtype.itemsize == 2 else self.dtype
        arrays = [np.asarray(x, sums_in) if isinstance(x, np.ndarray) else x for x in operands]
        if ufunc is np.matmul:
            a, b = arrays
            answer = self.order(a[:, None], b.T)
        else:
            answer = ufunc(*arrays)
        shown = answer.astype(self.dtype).view(Summed)
        shown.order = self.order
        return shown


class InOrder:
    """Backend that computes all cells as the NumPy one does, its matrix products in one of these orders."""

    def __init__(self, order: str) -> None:
        self.order = CORRECT[order]
        self.facts = replace(NumpyAdapter.facts, name=order)

    def run(self, case: Case) -> Trace:
        def summed(array: Array) -> Array:
            array = array.view(Summed)
            array.order = self.order
            return array

        return as_arrays(Engine(summed).answer(case))


class ByExp(np.ndarray[Any, Any]):
    """An array whose tanh is made of an exponential: that is off by a few roundings of 1."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
        if ufunc is not np.tanh:
            return getattr(ufunc, method)(*arrays, **options).view(ByExp)
        e = np.exp(-2 * np.abs(arrays[0]))
        return np.copysign((1 - e) / (1 + e), arrays[0]).view(ByExp)


class InOtherForms:
    """Backend that computes a GRU's output as n + z∘(h - n) and tanh by exp, whose errors it declares."""

    facts = Facts(
        "in other forms",
        **EVERYTHING,
        tanh_ulps={"float32": 4, "float64": 4},
        sigmoid_ulps=NumpyAdapter.facts.sigmoid_ulps,
        function_error=2.0**-23,
    )

    def run(self, case: Case) -> Trace:
        def output(gates: Any, h: Any, *rest: Any) -> Any:
            _, z, n = gates
            return n + z * (h - n)

        cell = replace(case.record, output=output) if case.cell == "gru" else None
        with np.errstate(all="ignore"):
            return as_arrays(Engine(lambda array: array.view(ByExp), cell=cell).answer(case))


class InAWiderDtype:
    """Backend that computes in float64, and shows what comes of it in the case's dtype."""

    facts = Facts("in a wider dtype", **EVERYTHING)

    def run(self, case: Case) -> Trace:
        with np.errstate(all="ignore"):
            answer = Engine(lambda array: array.astype(np.float64)).answer(case)
            outputs = zero_on_padding(case, answer.outputs) if case.return_sequences else answer.outputs
            return Trace(*(array.astype(case.dtype) for array in (outputs, *answer.states)))


CORRECT = {
    order.__name__: order
    for order in (
        *(sequential, reversed_order, pairwise, eight_lanes),
        *(fused_multiply_add, wide_accumulator, flushing, smallest_first, in_blocks),
    )
}
