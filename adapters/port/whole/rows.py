"""Rows that a model has in another order inside, as those that it sorts by their lengths to pack them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside, allowance, apart, compared
from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Call
from rnn_lockstep.reference.oracle.validation import Array

NOT_PUT_BACK = "the rows are in the order in which the layers are given them: they are not put back"


def by_length(lengths: Array) -> Array:
    """The order of rows in which the longest is the first."""
    return np.argsort(-np.asarray(lengths), kind="stable")


def order_of(theirs: Call, ours: Call, exact: Call, before: Array | None) -> Array:
    """Which of the source's rows each row is that the target's layer is given, (batch,).

    ours, exact: the source's call, in float32 and in float64.  before: the order at the layer before.
    Rows are known by what they hold, but for rounding; where that is wrong, by their lengths.
    """
    rows = np.arange(len(theirs.inputs))
    if theirs.inputs.shape[::2] != ours.inputs.shape[::2]:
        return rows
    steps = min(call.inputs.shape[1] for call in (theirs, ours))
    valid = ours.counting(steps)
    told = theirs.counting(steps) if theirs.padding else None
    target, narrow, wide = (call.inputs[:, :steps] for call in (theirs, ours, exact))
    given = Beside("", target, narrow, wide, valid)
    found = same_rows(given, valid, told)
    if found is not None:
        return found
    if told is None:
        return rows if before is None else before
    lengths, its = valid.sum(axis=1), told.sum(axis=1)
    orders = (rows if before is None else before, by_length(lengths))
    return next((order for order in orders if np.array_equal(its, lengths[order])), rows)


def same_rows(given: Beside, valid: Array, told: Array | None) -> Array | None:
    """The order in which the target has the source's rows, those that are the same in place; None for none.

    valid, told (batch, time): the steps that count, for the source and for the target, which may not know.
    """
    allowed, exact = allowance([given]), given.narrow if given.wide is None else given.wide
    free, order = np.full(len(valid), True), []
    if bool((given.deviation <= allowed).all()) and (told is None or np.array_equal(told, valid)):
        return np.arange(len(valid))
    for k, row in enumerate(given.target):
        far = np.where(valid[..., None], apart(row, exact), 0).max(axis=(1, 2), initial=0)
        fits = free & (far <= allowed) & (True if told is None else (told[k] == valid).all(axis=1))
        if not fits.any():
            return None
        order.append(k if fits[k] else int(np.where(fits, far, np.inf).argmin()))
        free[order[-1]] = False
    return np.array(order)


def put_back(call: Call, order: Array) -> Call:
    """A call with its rows in the order of the source's. order: which of these each of its rows is."""
    if np.array_equal(order, np.arange(len(order))):
        return call
    back = np.argsort(order)
    given = replace(call, inputs=call.inputs[back], initial=tuple(s[:, back] for s in call.initial))
    lengths, mask = (None if array is None else array[back] for array in (call.lengths, call.mask))
    found = emitted_in(given, back)
    return replace(found, last=None if call.last is None else found.last, lengths=lengths, mask=mask)


def not_put_back(outputs: Sequence[Sequence[Beside]], orders: Sequence[Array]) -> str:
    """The cause of outputs, by question, that are right but for the order of rows; empty where they are not.

    orders: those in which the target's last layer is given the rows.
    """
    found = []
    for tensors, order in zip(outputs, orders, strict=True):
        if any(len(t.target) != len(order) for t in tensors):
            return ""
        found.append([replace(t, target=t.target[np.argsort(order)]) for t in tensors])
    right = all(compared(each).status == "match" for each in zip(*found, strict=True))
    return NOT_PUT_BACK if right else ""


def emitted_in(call: Call, order: Array) -> Call:
    """A call that emits its rows in another order."""
    last = last_from_states(call) if call.last is None else call.last
    outputs, last = (None if array is None else array[order] for array in (call.outputs, last))
    return replace(call, outputs=outputs, last=last, final=tuple(state[:, order] for state in call.final))


def last_from_states(call: Call) -> Array | None:
    """The last output of each row and direction by the final states; None where these are not known."""
    if call.outputs is None or not call.final:
        return None
    directions = call.outputs.shape[-1] // call.final[0].shape[-1]
    return np.concatenate([*call.final[0][-directions:]], axis=-1) if directions in (1, 2) else None


def sorted_rows(call: Call) -> Call:
    """A call whose rows stay in the order of their lengths."""
    return call if call.lengths is None else emitted_in(call, by_length(call.lengths))


def sorted_outputs(call: Call) -> Call:
    """A call whose outputs stay in the order of their rows' lengths, whereas its final states do not."""
    return replace(sorted_rows(call), final=call.final)


def sorted_states(call: Call) -> Call:
    """A call whose final states stay in the order of their rows' lengths, whereas its outputs do not."""
    return replace(call, final=sorted_rows(call).final)


def sorted_example(example: Example) -> Example | None:
    """The same inputs with their rows sorted by length; None where no lengths are known."""
    if example.lengths is None:
        return None
    order = by_length(example.lengths)
    return Example(tuple(array[order] for array in example.arrays), example.lengths[order])
