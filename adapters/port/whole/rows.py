"""Rows that a model sorts by their lengths, the longest first, before a layer that gets them packed."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Call
from rnn_lockstep.reference.oracle.validation import Array


def by_length(lengths: Array) -> Array:
    """The order of rows in which the longest is the first."""
    return np.argsort(-np.asarray(lengths), kind="stable")


def put_back(call: Call, lengths: Array | None) -> Call:
    """A call whose rows were sorted by length with its rows in the order of those lengths again."""
    if call.lengths is None or lengths is None or np.array_equal(call.lengths, lengths):
        return call
    order = by_length(lengths)
    if not np.array_equal(call.lengths, np.asarray(lengths)[order]):
        return call
    back = np.argsort(order)
    given = replace(call, inputs=call.inputs[back], initial=tuple(s[:, back] for s in call.initial))
    found = emitted_in(given, back)
    return replace(found, last=found.last if call.last is not None else None, lengths=np.asarray(lengths))


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
