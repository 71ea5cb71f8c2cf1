"""Probes: cases of the same kind as another, with values that leave mistakes nowhere to hide.

The smallest case that shows a mistake is full of zeros, and many mistakes would show there. A probe has
the same cell, options, sizes of W and U and dtype, but independent weights, more rows and more steps.
A twin has all sizes and the padding of the case, and numbers of the same strength. A sibling has nearly the
case's own numbers.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.validation import Array

SIZES = ("batch", "time", "input_size", "hidden_size")
ROWS, STEPS = 3, 6  # at least so many
STRONG = 4  # times as large as a probe's are the numbers of a strong one
NEAR = 0.1  # of their size that a sibling's numbers are off by at most
MOST = 600  # steps of all rows together, which recovering a simple RNN's weights may need


def with_each_array(case: Case, change: Callable[[Array], Array]) -> Case:
    """The case with a change made to each of its arrays of numbers."""

    def changed(array: Array | None) -> Array | None:
        return None if array is None else change(array)

    first, *more = (Weights(*map(changed, cell)) for cell in (case.weights, *case.more_weights))
    states = {name: changed(getattr(case, name)) for name in case.record.states}
    arrays: dict[str, Any] = {**first._asdict(), "more_weights": tuple(more), **states}
    return replace(case, inputs=change(case.inputs), **arrays)


def twin(case: Case, seed: int) -> Case:
    """Make the twin of a case that a seed determines: every array is drawn anew, as strong as it is."""
    rng = np.random.default_rng(seed)

    def drawn(array: Array) -> Array:
        """Normal numbers with the root mean square of an array, in its places."""
        numbers = array[~np.isnan(array)].astype(np.float64)
        size = np.sqrt(np.mean(np.square(numbers))) if numbers.any() else 0.1
        most = np.finfo(np.float64).max if np.isinf(size) else 4 * size
        new = np.clip(size * rng.normal(size=array.shape), -most, most)
        whole: Array = np.where(np.isnan(array), np.nan, new).astype(array.dtype)
        return whole

    return with_each_array(case, drawn)


def sibling(case: Case, seed: int) -> Case:
    """Make a case of numbers off by up to a tenth from those of another: what is large or zero stays so."""
    rng = np.random.default_rng(seed)

    def near(array: Array) -> Array:
        """Each number times a factor."""
        new: Array = (array * rng.uniform(1 - NEAR, 1 + NEAR, array.shape)).astype(array.dtype)
        return new

    return with_each_array(case, near)


def are_siblings(a: Case, b: Case) -> bool:
    """Tell whether two cases have nearly the same numbers."""
    ours, theirs = a.arrays(), b.arrays()
    if ours.keys() != theirs.keys() or any(x.shape != theirs[name].shape for name, x in ours.items()):
        return False
    wide = ((x.astype(np.float64), theirs[name].astype(np.float64)) for name, x in ours.items())
    return all(np.allclose(y, x, rtol=2 * NEAR, atol=0, equal_nan=True) for x, y in wide)


def probe(case: Case, seed: int) -> Case:
    """Make the probe of a case that a seed determines."""
    time = max(case.time, STEPS)
    batch = max(case.batch, rows_needed(case, time))
    if case.batch == case.time:  # so that an initial state fits both ways, as it does in the case
        batch = time = max(batch, time)
    return of_sizes(case, seed, batch=batch, time=time)


def strong_probe(case: Case, seed: int) -> Case:
    """Make a probe with larger numbers, for mistakes that only those show."""
    return with_each_array(probe(case, seed), lambda array: (STRONG * array).astype(array.dtype))


def has_subnormal_numbers(case: Case) -> bool:
    """Tell whether a case has subnormal numbers for which zero may not be taken, as in float16."""
    arithmetic = Arithmetic(case.dtype)
    sizes = (np.abs(array.astype(np.float64)) for array in case.arrays().values())
    return any(((size >= arithmetic.flushed) & (size < arithmetic.smallest_normal)).any() for size in sizes)


def faint_probe(case: Case, seed: int) -> Case:
    """Make a probe of subnormal weights, in every other row of W of the first layer, beside large inputs."""
    smallest, like = Arithmetic(case.dtype).smallest_normal, probe(case, seed)

    def scaled(array: Array, largest: float) -> Array:
        """An array made so large that the largest of its numbers is this."""
        wide = array.astype(np.float64)
        most = np.nanmax(np.abs(wide), initial=0.0)
        new: Array = (wide * (largest / most if most else 1.0)).astype(array.dtype)
        return new

    def faint(w: Weights) -> Weights:
        """The weights with rows of W below the smallest normal number."""
        every_other = np.arange(len(w.W))[:, None] % 2 == 0
        return w._replace(W=np.where(every_other, scaled(w.W, 0.9 * smallest), w.W))

    cells = [like.weights, *like.more_weights]
    first = [faint(w) for w in cells[: like.directions]]
    changes: dict[str, Any] = {**first[0]._asdict(), "more_weights": (*first[1:], *cells[like.directions :])}
    return replace(like, inputs=scaled(like.inputs, 1 / (4 * smallest)), **changes)


def rows_needed(case: Case, time: int) -> int:
    """The rows that a probe of so many steps needs, so that a simple RNN's weights can be recovered."""
    unknowns = case.input_size + case.hidden_size + 2 if len(case.record.gates) == 1 else 0
    return max(ROWS, -(-min(MOST, 2 * unknowns) // max(1, time)))


def of_sizes(case: Case, seed: int, **sizes: int) -> Case:
    """Make a case of the same kind with other sizes, those of the case where not given.

    sizes: by name, of `SIZES`.
    """
    rng = np.random.default_rng(seed)
    batch, time, input_size, hidden_size = (sizes.get(name, getattr(case, name)) for name in SIZES)
    output_size = hidden_size if case.projection is None else case.output_size
    features = output_size * (2 if case.merge_mode == "concat" else 1)

    def drawn(*shape: int, scale: float) -> Array:
        """An array of normal numbers, in the case's dtype."""
        return (scale * rng.normal(size=shape)).astype(case.dtype)

    def weights(k: int, w: Weights) -> Weights:
        """Other weights of the same form, of the cell k."""
        rows = len(case.record.gates) * hidden_size
        columns = input_size if k < case.directions else features
        seen = (len(case.record.peepholes) * hidden_size,)
        matrices = ((rows, columns), (rows, output_size), (rows,), (rows,), (output_size, hidden_size))
        shapes = Weights(*matrices, seen)
        pairs = zip(w, shapes, strict=True)
        return Weights(*(None if a is None else drawn(*shape, scale=scale_of(shape)) for a, shape in pairs))

    def scale_of(shape: tuple[int, ...]) -> float:
        """The standard deviation that keeps the sums of a cell near 1."""
        return 0.5 if len(shape) == 1 else float(shape[1] ** -0.5)

    first, *more = (weights(k, w) for k, w in enumerate((case.weights, *case.more_weights)))
    changes: dict[str, Any] = {**first._asdict(), "more_weights": tuple(more)}
    for name, shape, size in zip(
        case.record.states, case.state_shapes, (output_size, hidden_size), strict=False
    ):
        if getattr(case, name) is not None:
            state = np.clip(drawn(*shape[:-2], batch, size, scale=0.5), -1, 1)
            changes[name] = state.astype(case.dtype)
    lengths = np.append(time, rng.integers(0, time + 1, batch - 1))
    valid = np.arange(time) < lengths[:, None]
    if case.mask is not None:
        valid = changes["mask"] = rng.random((batch, time)) < [[1.0]] + [[0.7]] * (batch - 1)
    elif case.lengths is not None:
        changes["lengths"] = lengths
    inputs = drawn(batch, time, input_size, scale=1.0)
    if case.padded:
        inputs[~valid] = np.nan
    return replace(case, inputs=inputs, **changes)
