"""What explains a wrong segment: the source with one mistake planted, and what then comes out of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside, allowance
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import Call
from rnn_lockstep.adapters.port.whole.output_order import output_order
from rnn_lockstep.adapters.port.whole.plain_causes import FUNCTIONS, Function, is_near, late, plain_causes
from rnn_lockstep.adapters.port.whole.rows import (
    sorted_example,
    sorted_outputs,
    sorted_rows,
    sorted_states,
)
from rnn_lockstep.adapters.port.whole.walk import LENGTHS, Change, Walk
from rnn_lockstep.reference.oracle.validation import Array

QUICK = 2_000  # numbers that a question gives at most, where mistakes are planted
ROWS = 5  # of an embedding, that are told


def of_outputs(function: Function) -> Change:
    """The change of what a layer emits at every step, and of its last output."""

    def change(call: Call) -> Call:
        outputs, last = (None if a is None else function(a) for a in (call.outputs, call.last))
        return replace(call, outputs=outputs, last=last)

    return change


def of_steps(function: Function) -> Change:
    """The change of the outputs of all steps."""
    return lambda call: replace(call, outputs=None if call.outputs is None else function(call.outputs))


def last_is(step: int) -> Change:
    """The change by which one step's output is taken for the last."""

    def change(call: Call) -> Call:
        if call.outputs is None:
            return call
        every = np.repeat(call.outputs[:, step, None], call.outputs.shape[1], axis=1)
        return replace(call, outputs=every, last=call.outputs[:, step])

    return change


def last_column(call: Call) -> Call:
    """A call whose last column of outputs is taken for the last output, and for a single final state h."""
    if call.outputs is None:
        return call
    last = call.outputs[:, -1]
    h = [last[None]] if call.final and call.final[0].shape == (1, *last.shape) else call.final[:1]
    return replace(call, last=last, final=(*h, *call.final[1:]))


def last_steps(call: Call) -> Array | None:
    """The outputs of each row's last step."""
    if call.outputs is None or call.lengths is None:
        return None
    return np.asarray(call.outputs[np.arange(len(call.outputs)), call.lengths - 1])


def exchanged(call: Call) -> Call:
    """A call whose directions are exchanged: the halves of its outputs, and its last outputs."""
    if call.outputs is None or call.outputs.shape[-1] % 2:
        return call
    halves = np.split(call.outputs, 2, axis=-1)
    last = np.concatenate([*call.final[0][::-1]], axis=-1) if call.final else None
    return replace(call, outputs=np.concatenate(halves[::-1], axis=-1), last=last)


def not_turned_back(call: Call) -> Call:
    """A call whose backward direction's outputs are in the order in which it ran."""
    if call.outputs is None or call.outputs.shape[-1] % 2:
        return call
    forward, backward = np.split(call.outputs, 2, axis=-1)
    return replace(call, outputs=np.concatenate([forward, backward[:, ::-1]], axis=-1))


# What a port may do with what a layer emits, in words with the layer's name.
EMITTED: dict[str, Change] = {
    **{f"the port applies {n} to the outputs of {{}}": of_outputs(f) for n, f in FUNCTIONS.items()},
    "(h, c) of {} is handed on as (c, h)": lambda call: replace(call, final=call.final[::-1]),
    "the final state of {} is not handed on: zeros are": lambda call: replace(
        call, final=tuple(np.zeros_like(state) for state in call.final)
    ),
    "the final states of {} are handed on in another order of layers or directions": lambda call: replace(
        call, final=tuple(state[::-1] for state in call.final)
    ),
    "the last column of {}'s outputs is taken, where the last output of each row and direction is meant": (
        last_column
    ),
    "the last step of {} is taken of both directions, where the backward one ends at the first": (
        lambda call: replace(call, last=last_steps(call))
    ),
    "the first step of {} is taken for the last": last_is(0),
    "the last step of {} is taken for all": last_is(-1),
    "the outputs of {} are in the other order of time": of_steps(lambda steps: steps[:, ::-1]),
    "the outputs of {} are one step late": of_steps(late),
    "the directions of {} are exchanged": exchanged,
    "the backward outputs of {} are in the order in which they were made": not_turned_back,
    "the outputs of {} are left out": of_outputs(np.zeros_like),
    "the rows of {} are in the order of their lengths: sorted, and not put back": sorted_rows,
    "the outputs of {} are in the order of the rows' lengths: sorted, and not put back": sorted_outputs,
    "the final states of {} are in the order of the rows' lengths: sorted, and not put back": sorted_states,
}

SORTED = "the rows are in the order of their lengths: sorted, and not put back"
SHIFTED = "the rows of the embedding are shifted by one: "
# What a port may do with an input.
GIVEN: dict[str, Callable[[Array, Input], Array | None]] = {
    SHIFTED + "token t has the source's row t-1": lambda a, i: moved(a, i, -1),
    SHIFTED + "token t has the source's row t+1": lambda a, i: moved(a, i, 1),
    "the input {} is in the other order of time": lambda a, i: a[:, ::-1] if a.ndim > 1 else None,
    "the port applies relu to the input {}": lambda a, i: None if i.whole else np.maximum(a, 0),
    "the input {} is one step late": lambda a, i: late(a) if a.ndim > 1 else None,
    "the features of {} are in the other order": lambda a, i: a[..., ::-1] if a.ndim > 2 else None,
}


def moved(tokens: Array, of: Input, by: int) -> Array | None:
    """Tokens that are higher by some, counted round; None where the input is of floats."""
    if of.whole is None:
        return None
    low, high = of.whole
    return np.asarray((tokens - low + by) % (high - low + 1) + low, tokens.dtype)


def cause_of(walk: Walk, segment: int, tensors: Sequence[Sequence[Beside]], inputs: Sequence[Input]) -> str:
    """The cause of a wrong segment, in words; empty where none is found, or several are.

    tensors: what comes out of it, by question.
    """
    if segment == len(walk.places) and (order := output_order(walk, tensors)):
        return order
    first, *rest = zip(*tensors, strict=True)
    if wrong_lengths := next((told for each in rest if (told := lengths_cause(walk, each))), ""):
        return wrong_lengths
    if not are_same(first) and all(map(are_same, rest)) and (direct := next(plain_causes(first), "")):
        return direct
    if segment == 0 and (rows := wrong_rows(walk, [each[0] for each in tensors])):
        return rows
    if added := next(added_by(walk, segment, [each[0] for each in tensors]), ""):
        return added
    wrong = [k for k, each in enumerate(tensors) if not are_same(each)]  # of right ones, anything explains
    asked = telling(walk, wrong)
    found = [words for words, runs in planted(walk, segment, inputs) if all(map(runs, asked))]
    return found[0] if found else ""


def telling(walk: Walk, among: Sequence[int] = ()) -> list[int]:
    """The numbers of the questions that tell most: the largest of those that are quickly asked.

    among: those that may be; all where there are none.
    """
    sizes = {k: walk.examples[k].arrays[0].size for k in among or range(len(walk.examples))}
    quick = [k for k, size in sizes.items() if size <= QUICK] or list(sizes)
    return sorted(quick, key=lambda k: -sizes[k])[:3]


def lengths_cause(walk: Walk, tensors: Sequence[Beside]) -> str:
    """How the lengths of rows differ, in words; empty where it is not by one in all rows.

    tensors: a tensor by question, which may be another one.
    """
    if tensors[0].name != LENGTHS or are_same(tensors):
        return ""
    for by, words in ((-1, "small"), (1, "large")):
        pairs = zip(tensors, walk.examples, strict=True)
        if all((t.target == np.clip(t.narrow + by, 1, e.arrays[0].shape[1])).all() for t, e in pairs):
            return f"{LENGTHS} are one too {words}"
    return ""


def wrong_rows(walk: Walk, tensors: Sequence[Beside]) -> str:
    """The integers whose rows of an embedding are not the source's; empty where these are not the cause.

    tensors: what the first layer is given, by question.
    """
    allowed = allowance(tensors)
    for number, first in enumerate(walk.examples[0].arrays):
        if first.dtype.kind not in "iu":
            continue
        wrong, right = set[int](), set[int]()
        for example, tensor in zip(walk.examples, tensors, strict=True):
            steps = slice(tensor.target.shape[1] if first.ndim > 1 else None)  # packed rows may have fewer
            tokens = example.arrays[number][(slice(None), steps)[: first.ndim]]
            here = np.ones(1, bool) if tensor.valid is None else tensor.valid
            if tensor.wrong_shape or tensor.target.shape[:-1] != tokens.shape:
                return ""
            tokens = tokens[np.broadcast_to(here, tokens.shape)]
            far = (tensor.deviation.reshape(len(tokens), -1) > allowed).any(axis=1)
            wrong |= set(tokens[far].tolist())
            right |= set(tokens[~far].tolist())
        if wrong and not wrong & right and len(wrong) <= len(right):
            some = ", ".join(map(str, sorted(wrong)[:ROWS])) + ", ..." * (len(wrong) > ROWS)
            return f"the embedding: {len(wrong)} of {len(wrong | right)} rows are not the source's, {some}"
    return ""


def added_by(walk: Walk, segment: int, tensors: Sequence[Beside]) -> Iterator[str]:
    """What of the layers before is added, or is not, to what comes out of a segment, by question."""
    if any(each.wrong_shape for each in tensors):
        return
    more = [each.target.astype(np.float64) - each.narrow for each in tensors]
    for place in reversed(range(segment)):
        calls = [walk.target_call(k, place) for k in range(len(tensors))]
        name = walk.places[place].name
        for what, arrays in (("is given", [c.inputs for c in calls]), ("emits", [c.outputs for c in calls])):
            for who, sign in (("the port adds", 1), ("the source adds, and the port does not,", -1)):
                if all(a is not None and is_near(m, sign * a) for m, a in zip(more, arrays, strict=True)):
                    yield f"{who} what {name} {what}, as a residual connection"


def planted(walk: Walk, segment: int, inputs: Sequence[Input]) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """Mistakes before a segment's end, and functions that tell whether one explains a question's answer."""

    def explains(k: int, changes: dict[int, Change], example: Example | None) -> bool:
        try:
            run = walk.again(walk.narrow, k, changes, example)
            return are_same(walk.tensors(segment, k, run, None))
        except Exception:  # the mistake cannot be made in this model
            return False

    for place in reversed(range(segment)):
        for words, change in EMITTED.items():
            told = words.format(walk.places[place].name)
            yield told, lambda k, p=place, c=change: explains(k, {p: c}, None)  # type: ignore[misc]
    ordered = {k: sorted_example(example) for k, example in enumerate(walk.examples)}
    yield SORTED, lambda k: ordered[k] is not None and explains(k, {}, ordered[k])
    for number, each in enumerate(inputs):
        for words, mistake in GIVEN.items():

            def with_input(k: int, n: int = number, i: Input = each, m: object = mistake) -> bool:
                arrays = list(walk.examples[k].arrays)
                changed = m(arrays[n], i)  # type: ignore[operator]
                if changed is None:
                    return False
                arrays[n] = changed
                return explains(k, {}, Example(tuple(arrays), walk.examples[k].lengths))

            yield words.format(each.name), with_input


def are_same(tensors: Sequence[Beside]) -> bool:
    """Tell whether the target's tensors are the source's, to within what two roundings may be apart."""
    return all(not t.wrong_shape and is_near(t.part(t.target), t.expected) for t in tensors)
