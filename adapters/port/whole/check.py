"""The check of a whole model: both are given the same inputs, and the first wrong place is named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.whole.allowance import Beside, Found, compared
from rnn_lockstep.adapters.port.whole.applied import applied
from rnn_lockstep.adapters.port.whole.asking import answered, asked_all, in_both, taken
from rnn_lockstep.adapters.port.whole.causes import cause_of, telling
from rnn_lockstep.adapters.port.whole.inputs import Example, Input, examples_of, not_given, optional_examples
from rnn_lockstep.adapters.port.whole.layers import (
    NOT_TOLD,
    instead_of,
    layer_found,
    missing_layers,
    weights_cause,
)
from rnn_lockstep.adapters.port.whole.model import Run, WholeModel
from rnn_lockstep.adapters.port.whole.outputs_alone import place_and_cause
from rnn_lockstep.adapters.port.whole.padded_rows import only_padded
from rnn_lockstep.adapters.port.whole.padding import padding_notes
from rnn_lockstep.adapters.port.whole.pairing import Place, layer_of, places
from rnn_lockstep.adapters.port.whole.parameters import exchanged, not_found
from rnn_lockstep.adapters.port.whole.parting import parting
from rnn_lockstep.adapters.port.whole.rows import not_put_back
from rnn_lockstep.adapters.port.whole.twice import (
    carried_on,
    rounding,
    source_asked_twice,
    target_asked_twice,
)
from rnn_lockstep.adapters.port.whole.undone import is_undone
from rnn_lockstep.adapters.port.whole.verdict import Line, WholeVerdict
from rnn_lockstep.adapters.port.whole.walk import STATES, TOLD, Walk

EXAMPLES = 8
WHOLE = "the whole model"
UNDONE = "the outputs; inside, the port computes something else: "
REORDERED = "is given the rows in another order; they are compared in the source's"
UNSEEN = "what is inside of it was not compared layer by layer: "


@dataclass(frozen=True, eq=False)
class WholePair:
    """A source and a target, both whole models, and the inputs that they are given.

    inputs: their specification, or `brought`, a person's own.  batch, time: where these are fixed.
    options: those that the source does not tell of its layers.
    """

    names: tuple[str, str]
    source: WholeModel
    target: WholeModel
    inputs: tuple[Input, ...] = ()
    brought: Example | None = None
    batch: int | None = None
    time: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def examples(self, count: int, seed: int) -> list[Example]:
        """The questions: drawn, or the person's own as one."""
        if self.brought is not None:
            return [self.brought]
        return examples_of(self.inputs, count, seed, self.batch, self.time)

    def verdict(self, count: int = EXAMPLES, seed: int = 0) -> WholeVerdict:
        """The verdict on the target. Raises InvalidModel where the source cannot be asked, and CannotAsk."""
        examples, runs, notes = taken(self.source, self.examples(count, seed))
        if self.brought is None:
            optional = optional_examples(self.inputs, seed, self.batch, self.time)
            longer, longer_runs, _ = taken(self.source, optional, needed=False)
            examples, runs = [*examples, *longer], [*runs, *longer_runs]
        told = WholeVerdict("mismatch", "", self.names, in_words(self.inputs, examples))
        first = runs[0]
        wide, narrow, more_notes = in_both(self.source, first, examples[0])
        notes += more_notes
        if different := source_asked_twice(self.source, wide, examples[0], first):
            raise InvalidModel(f"{self.names[0]}: the source asked twice: {different}")
        own = runs if narrow is self.source else [answered(narrow, each) for each in examples]
        allowed = rounding(own[0], None if wide is None else wide.run(examples[0]))
        if different := target_asked_twice(self.target, examples[0], allowed):
            return replace(told, reason=f"asked twice, it answers otherwise: {different}")
        answers, failed = asked_all(self.target, examples)
        if failed:
            return replace(told, reason=failed)
        different, note = carried_on(self.source, wide, self.target, examples[0], allowed)
        if different:
            return replace(told, reason=different)
        notes += [note] if note else []
        found, unseen = seen_places(self.source, self.target, own, answers)
        walk = Walk(narrow, wide, examples, answers, own, found)
        notes += [f"{UNSEEN}{unseen}"] if unseen else []
        notes += [
            f"the {end}: {each}"
            for end, model in (("source", self.source), ("target", self.target))
            for each in model.remarks
        ]
        notes += [] if self.brought else not_given(self.inputs, examples)
        if (more := len(answers[0].outputs) - len(own[0].outputs)) > 0:
            notes.append(f"the last {more} of the target's outputs were not compared: the source has none")
        return concluded(self, walk, replace(told, notes=tuple(notes)))


def seen_places(
    source: WholeModel, target: WholeModel, own: Sequence[Run], answers: Sequence[Run]
) -> tuple[list[Place], str]:
    """The recurrent layers of both beside each other; none, and why, where that cannot be seen."""
    found: list[Place] | None = None
    for run, answer in zip(own, answers, strict=True):
        names = [[call.layer for call in each.calls] for each in (run, answer)]
        for end, called, model in zip(("source", "target"), (run, answer), (source, target), strict=True):
            if not called.calls:
                return [], f"no recurrent layers of the {end} can be watched"
            needed = [c.layer for c in called.calls if end == "source" or not c.unnamed]
            if unknown := [name for name in needed if name not in model.layers]:
                told = model.unread.get(unknown[0], "")
                if end == "source" or not told:
                    return [], f"{unknown[0]} of the {end} cannot be read{told and ': '}{told}"
        these = places(run.calls, answer.calls, source.layers, target.layers)
        if these is None or (found is not None and these != found):
            return [], f"the source runs {', '.join(names[0])}, the target {', '.join(names[1])}"
        found = these
    return found or [], ""


def concluded(pair: WholePair, walk: Walk, told: WholeVerdict) -> WholeVerdict:
    """The verdict, by what is found at each place in order."""
    outputs = whole_outputs(walk)
    whole = whole_line(outputs)
    told = replace(told, notes=(*told.notes, *padding_notes(outputs)))
    try:
        lines = list(lines_of(pair, walk)) if walk.places else []
        if walk.reordered:
            told = replace(told, notes=(*told.notes, f"{walk.reordered} {REORDERED}"))
    except Exception as error:  # of a model that cannot be made to emit another's numbers
        told = replace(told, notes=(*told.notes, f"{UNSEEN}{with_type(error)}"))
        lines, walk = [], replace(walk, places=())
    if wrong := next((line for line in lines if line.status == "mismatch"), None):
        reason = f"{wrong.place}: {wrong.text}"
        if wrong.text.startswith("the initial state") and wrong.place.startswith(
            f"between {walk.untold} and "
        ):
            reason = f"{walk.untold} itself: {NOT_TOLD}"  # so its final state is another
        told = replace(told, reason=reason, lines=(*lines, whole))
        return all_the_same(walk, pair.target, told) if whole.status == "match" else told
    if whole.status == "mismatch" and lines and all(line.status == "match" for line in lines):
        if name := walk.untold:  # what only its final state tells
            return replace(told, reason=f"{name} itself: {NOT_TOLD}", lines=(*lines, whole))
        why = "every place matches, yet the outputs are further off than the source's rounding explains"
        return replace(told, status="inconclusive", reason=why, lines=(*lines, whole))
    if whole.status == "mismatch":
        reason = whole_cause(pair, walk) or f"{whole.place}: {whole.text}"
        return replace(told, reason=reason, lines=(*lines, whole))
    if unclear := next((line for line in (*lines, whole) if line.status != "match"), None):
        reason = f"{unclear.place}: {unclear.text}"
        return replace(told, status="inconclusive", reason=reason, lines=(*lines, whole))
    return replace(told, status="match", lines=(*lines, whole), only=left_out(walk))


def all_the_same(walk: Walk, target: WholeModel, wrong: WholeVerdict) -> WholeVerdict:
    """The verdict where the outputs match and a place inside does not."""
    if left_out(walk) or not is_undone(walk, target):
        return replace(wrong, reason=f"{wrong.reason}; the outputs match all the same")
    return replace(wrong, status="match", reason=f"{UNDONE}{wrong.reason}")


def left_out(walk: Walk) -> str:
    """What was compared, in words, where the target returns less than the source; else empty."""
    mine, its = len(walk.own[0].outputs), len(walk.answers[0].outputs)
    return f"the first {its} of {mine} outputs; the others are not returned" if its < mine else ""


def lines_of(pair: WholePair, walk: Walk) -> Iterator[Line]:
    """The finding at each place, in the order in which a model gets there, up to what a mistake reaches."""
    for segment, name in enumerate(walk.segments()[: walk.fitting + 1]):
        yield segment_line(pair, walk, segment, name)
        if segment < walk.fitting:
            yield layer_line(pair, walk, segment)


def segment_line(pair: WholePair, walk: Walk, segment: int, name: str) -> Line:
    """The finding on a segment, over all questions."""
    tensors = [walk.tensors(segment, k, *runs) for k, runs in enumerate(walk.forced)]
    found = by_tensor(tensors, varies=False)
    status, text, ratio = summed_up(found)
    if status == "mismatch":
        number = [each.status for each in found].index("mismatch")
        cause = applied(walk, pair.target, segment, number, tensors)
        cause = cause or cause_of(walk, segment, tensors, pair.inputs)
        if not cause and segment == len(walk.places) > 0:
            cause = not_put_back(tensors, [orders[-1] for orders in walk.orders])
        if not cause and not is_of_lengths(walk, segment, found[number].name):
            wrong = [each[number] for each in tensors]
            cause = only_padded(walk, wrong) or parted(pair, walk, segment, number)
        text = told_with(cause, text)
    return Line(name, status, text, ratio)


def is_of_lengths(walk: Walk, segment: int, tensor: str) -> bool:
    """Tell whether a tensor is the lengths, or a state that the layer before leaves without knowing them."""
    untold = segment > 0 and walk.places[segment - 1].name == walk.untold
    return tensor in TOLD or (tensor in STATES and untold)


def layer_line(pair: WholePair, walk: Walk, number: int) -> Line:
    """The finding on a recurrent layer itself."""
    place = walk.places[number]
    name = f"{place.name} itself"
    try:
        mine = layer_of(walk.own[0].calls, place.source, pair.source.layers)
        its = layer_of(walk.answers[0].calls, place.target, pair.target.layers)
    except ValueError as error:
        return Line(name, "inconclusive", f"cannot be judged: {error}")
    calls = [
        (walk.target_call(k, number), walk.source_call(walk.own[k], number))
        for k in range(len(walk.examples))
    ]
    assert mine is not None  # of the source, only what can be read has a place
    found = layer_found(place, (mine, its), calls, pair.target, pair.options)
    text = str(found)
    if found.status == "mismatch" and its and (other := instead_of(mine, its, pair.source)):
        text = f"its weights are those of the source's {other}"
    reasons = [why for k in place.target if (why := pair.target.unread.get(walk.answers[0].calls[k].layer))]
    if found.status == "mismatch" and reasons:
        text = told_with("; ".join(reasons), str(replace(found, cause="")))
    return Line(name, found.status, text, found.ratio)


def by_tensor(tensors: Sequence[Sequence[Any]], varies: bool) -> list[Found]:
    """The finding on each tensor of a segment, over all questions."""
    return [compared(each, varies) for each in zip(*tensors, strict=True)]


def summed_up(found: Sequence[Found]) -> tuple[str, str, float | None]:
    """The status of several tensors, the words on the first that is no match, or on all, and the ratio."""
    for status in ("mismatch", "inconclusive"):
        if these := [each for each in found if each.status == status]:
            return status, str(these[0]), these[0].ratio
    return "match", "; ".join(map(str, found)), max((each.ratio or 0.0 for each in found), default=None)


def told_with(cause: str, text: str) -> str:
    """A cause, and the numbers beside it."""
    return f"{cause} ({text})" if cause else text


def whole_outputs(walk: Walk) -> list[list[Beside]]:
    """The outputs of the two models, each running by itself, by question."""
    return [walk.outputs(k, *runs) for k, runs in enumerate(zip(walk.own, walk.exact, strict=True))]


def whole_line(tensors: Sequence[Sequence[Beside]]) -> Line:
    """The finding on outputs, by question."""
    if not all(tensors):
        return Line(WHOLE, "mismatch", "it returns no outputs")
    return Line(WHOLE, *summed_up(by_tensor(tensors, varies=True)))


def whole_cause(pair: WholePair, walk: Walk) -> str:
    """The place and the likely cause where only the outputs can be compared; empty where none is found.

    By the weights, or by a mistake that makes the same of the source's outputs.
    """
    if cause := missing_layers(walk, pair.source, pair.target):
        return f"{WHOLE}: {cause}"
    any_unread = pair.source.unread or pair.target.unread  # whose weights cannot be told apart
    if not any_unread and (cause := weights_cause(pair.source, pair.target)):
        return cause
    alone = replace(walk, places=())
    outputs = whole_outputs(alone)
    cause = place_and_cause(alone, pair.source.layers, pair.inputs)
    if not cause:
        unreadable = [f"the target's {reason}" for reason in pair.target.unread.values()]
        seen = [only_padded(alone, [each[0] for each in outputs]), *unreadable, lost_arrays(pair)]
        cause = next((f"{WHOLE}: {each}" for each in seen if each), "")
    return told_with(cause, whole_line(outputs).text) if cause else ""


def parted(pair: WholePair, walk: Walk, segment: int, tensor: int) -> str:
    """Which arrays the target has not, or where within a segment the models part, in words; or empty."""
    first = telling(walk)
    order = [*first, *(k for k in range(len(walk.examples)) if k not in first)]
    return lost_arrays(pair) or parting(walk, pair.target, segment, tensor, order)


def lost_arrays(pair: WholePair) -> str:
    """The source's arrays that the target has not, or not in its place, in words; empty for none."""
    mine, its = pair.source.parameters(), pair.target.parameters()
    return exchanged(mine, its) or not_found(mine, its)


def in_words(inputs: Sequence[Input], examples: Sequence[Example]) -> str:
    """A line that tells what was asked."""
    told = "; ".join(map(str, inputs)) or "the arrays that were given"
    sizes = ", ".join(dict.fromkeys(each.size for each in examples))
    return f"{told}: {len(examples)} examples of {sizes}"
