"""Two live models asked the same, where the source's weights cannot be read: no oracle is used.

How far the target may be off follows from the source's own rounding: `whole.allowance`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, in_dtype
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.again import EITHER, unsteady
from rnn_lockstep.adapters.port.answers import takes
from rnn_lockstep.adapters.port.sequences import sequences
from rnn_lockstep.adapters.port.whole.allowance import Beside, Found, compared
from rnn_lockstep.adapters.port.whole.plain_causes import is_near, plain_causes
from rnn_lockstep.adapters.port.whole.verdict import Line, WholeVerdict
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import FAMILIES, MISTAKES
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, with_states
from rnn_lockstep.reference.diagnosis.mistakes.padding import ZEROS_BEYOND

SHORT = 3  # steps: in longer sequences errors may have grown, so those have an allowance of their own
STEPPED = 4  # questions that are asked step by step
TELLING = 3  # questions that a cause has to explain
UNUSED = "compared with the source itself, as its weights cannot be read; the oracle was not used"
BY_TARGET = "the source cannot be run in float64: how far the two may be apart is by the port's rounding"
SHORTER, LONGER = "short sequences", "longer sequences"
IN_TWO_CALLS = "in two calls, the state handed over"
ARRAYS = {"outputs": "outputs", "final_state": "final state", "final_cell_state": "final cell state"}


def late(case: Case, trace: Trace) -> Trace:
    """The outputs one step late, the first of them the initial state."""
    if case.more_weights or not case.return_sequences:
        return trace
    return replace(trace, outputs=np.concatenate([case.h0[:, None], trace.outputs[:, :-1]], axis=1))


def one_step_for_all(step: int) -> Callable[[Case, Trace], Trace]:
    """Make the change by which one step's output is shown at all."""
    return lambda case, trace: replace(
        trace,
        outputs=np.repeat(trace.outputs[:, step, None], case.time, axis=1)
        if case.return_sequences
        else trace.outputs,
    )


# Mistakes that are made around a layer, so that the source can be made to make them.
AROUND = [
    *(mistake for name in ("sequence", "inputs", "padding") for mistake in FAMILIES[name].values()),
    MISTAKES["lstm_initial_states_swapped"],
    MISTAKES["lstm_final_states_swapped"],
    Mistake("the outputs are one step late", change_trace=late),
    replace(
        MISTAKES["inputs_reversed"],
        description="the sequence is run backward, and the outputs put back in order",
        change_trace=MISTAKES["outputs_reversed"].change_trace,
    ),
    Mistake("the first step's output is taken for all", change_trace=one_step_for_all(0)),
    Mistake("the last step's output is taken for all", change_trace=one_step_for_all(-1)),
]
AROUND = [each for each in AROUND if not (each.change_weights or each.step or each.run_direction)]


@dataclass(frozen=True, eq=False)
class Question:
    """One case, and the answers to it.

    wide: the answer in float64 of the source or, where that cannot be run in it, of the target; None where
    neither can.  by_target: whether it is the target's.
    """

    case: Case
    target: Trace
    source: Trace
    wide: Trace | None
    by_target: bool = False

    def tensors(self) -> Iterator[Beside]:
        """The arrays that both ends show, one beside the other that has an answer in float64 too."""
        for name, words in ARRAYS.items():
            ends = [getattr(trace, name) for trace in (self.target, self.source)]
            if any(array is None for array in ends):
                continue
            one, other = reversed(ends) if self.by_target else ends
            yield Beside(words, one, other, None if self.wide is None else getattr(self.wide, name))


@dataclass(frozen=True, eq=False)
class TwoLive:
    """A source and a target that both answer in the form of a layer's answers.

    wide: the source in float64, or else the target; None where neither can be run in it.
    by_target: whether it is the target.
    """

    source: LiveLayer
    target: LiveLayer
    wide: LiveLayer | None
    by_target: bool = False

    @cached_property
    def both_take(self) -> dict[str, bool]:
        """What may be given to both: initial states, and lengths."""
        mine, its = takes(self.source), takes(self.target)
        return {name: mine[name] and its[name] for name in mine}

    @property
    def hands_over(self) -> bool:
        """Whether the source is given states and returns them, and the target is given them."""
        one_direction = self.source.layer.directions == 1
        return self.both_take[INITIAL_STATE] and not self.source.unobserved and one_direction

    def cases(self, count: int, seed: int) -> list[Case]:
        """The questions, the smallest first."""
        return sequences(self.source.layer, count, seed, **self.both_take)

    def asked(self, case: Case) -> Question:
        """One case asked of all. Raises TargetFailed, and whatever the source raises."""
        source, target = self.source.run(case), answer_of(self.target, case)
        wide = None if self.wide is None else self.wide.run(self.in_float64(case))
        return Question(case, target, source, wide, self.by_target)

    def in_float64(self, case: Case) -> Case:
        """The same question in float64."""
        layer = in_dtype(self.source.layer, np.dtype(np.float64))
        wide = layer.case(case.inputs.astype(np.float64), lengths=case.lengths)
        if case.initial_state is None:
            return wide
        return with_states(wide, *(state.astype(np.float64) for state in case.start))

    def steps(self, case: Case) -> Iterator[Question]:
        """Each step of a case by itself, begun from the state that the source had there."""
        states = case.start
        for t in range(case.time):
            step = replace(case, inputs=case.inputs[:, t : t + 1], lengths=None)
            asked = self.asked(with_states(step, *states))
            yield asked
            states = tuple(s.reshape(b.shape) for s, b in zip(asked.source.states, case.start, strict=True))

    def in_two_calls(self, asked: Question) -> Question:
        """A question that the target is asked in two calls, the state handed over."""
        case, half = asked.case, asked.case.time // 2
        first, second = (replace(case, inputs=part) for part in np.split(case.inputs, [half], axis=1))
        begun = answer_of(self.target, first)
        handed = (s.reshape(b.shape).astype(b.dtype) for s, b in zip(begun.states, case.start, strict=True))
        ended = answer_of(self.target, with_states(second, *handed))
        outputs = ended.outputs
        if ended.outputs.ndim == 3:
            outputs = np.concatenate([begun.outputs, ended.outputs], axis=1)
        return replace(asked, target=replace(ended, outputs=outputs))


class TargetFailed(Exception):
    """The target raised an error where the source answered. The message is one line."""


def answer_of(target: LiveLayer, case: Case) -> Trace:
    """The target's answer. Raises TargetFailed."""
    try:
        return target.run(case)
    except Exception as error:  # the model's, whatever it is
        size = " x ".join(map(str, case.inputs.shape))
        raise TargetFailed(f"given inputs {size}, it raised {with_type(error)}") from None


def beside(two: TwoLive, told: WholeVerdict, examples: int, seed: int) -> WholeVerdict:
    """The verdict on a target, by the source's own answers.

    told: what is known of both.  Raises InvalidModel where the source does not answer the same twice, and
    whatever it raises itself.
    """
    layer, cases = two.source.layer, two.cases(examples, seed)
    sizes = f"up to {max(c.batch for c in cases)} rows and {max(c.time for c in cases)} steps"
    given = f"{len(cases)} sequences of {layer.input_size} features, {sizes}"
    notes = [UNUSED, *([BY_TARGET] if two.by_target else []), *two.target.notes()]
    told = replace(told, asked=given, notes=(*told.notes, *notes))
    largest = max(cases, key=lambda each: each.inputs.size)
    if different := answers_otherwise(two.source, largest, seed):
        raise InvalidModel(f"{told.names[0]}: the source, {different}")
    try:
        groups = dict(grouped(two, cases))
    except TargetFailed as failed:
        return replace(told, status="mismatch", reason=str(failed))
    if different := answers_otherwise(two.target, largest, seed):
        return replace(told, status="mismatch", reason=different)
    lines = [line_of(place, asked) for place, asked in groups.items() if asked]
    if wrong := next((line for line in lines if line.status == "mismatch"), None):
        cause = cause_of(two, groups[LONGER] or groups[SHORTER])
        place = f"{wrong.place}: {wrong.text}"
        reason = f"{cause} ({place})" if cause else place
        return replace(told, status="mismatch", reason=reason, lines=tuple(lines))
    if unclear := next((line for line in lines if line.status == "inconclusive"), None):
        return replace(
            told, status="inconclusive", reason=f"{unclear.place}: {unclear.text}", lines=tuple(lines)
        )
    before = two.target.before and INITIAL_STATE not in two.target.way.takes
    only = "from zeros alone; what it does with an initial state could not be compared" if before else ""
    return replace(told, status="match", lines=tuple(lines), only=only)


def answers_otherwise(live: LiveLayer, case: Case, seed: int) -> str:
    """How a model's second answer to a question differs from its first, in words; empty where it does not."""
    if same(live.run(case), live.run(case)):
        return ""
    return unsteady(live, seed) or EITHER


def grouped(two: TwoLive, cases: Sequence[Case]) -> Iterator[tuple[str, list[Question]]]:
    """The questions in groups, each with an allowance of its own, the sharpest first. Raises TargetFailed."""
    stepped = [case for case in cases if not case.padded][-STEPPED:] if two.hands_over else []
    yield "each step from the source's own state", [step for case in stepped for step in two.steps(case)]
    asked = [two.asked(case) for case in cases]
    yield SHORTER, [each for each in asked if each.case.time <= SHORT]
    longer = [each for each in asked if each.case.time > SHORT]
    yield LONGER, longer
    if two.hands_over and not two.target.unobserved:
        whole = [each for each in asked if each.case.time > 1 and not each.case.padded][:STEPPED]
        yield IN_TWO_CALLS, [two.in_two_calls(each) for each in whole]


def line_of(place: str, asked: Sequence[Question]) -> Line:
    """The finding on a group of questions."""
    every = [list(each.tensors()) for each in asked]
    found = [(compared(tensors, varies=True), tensors) for tensors in zip(*every, strict=True)]
    for status in ("mismatch", "inconclusive"):
        for each, tensors in found:
            if each.status == status:
                where = first_wrong(each, tensors, asked[0].by_target)
                return Line(place, status, f"{each}{where}", each.ratio)
    ratio = max((each.ratio or 0.0 for each, _ in found), default=None)
    return Line(place, "match", "; ".join(str(each) for each, _ in found), ratio)


def first_wrong(found: Found, tensors: Sequence[Beside], by_target: bool) -> str:
    """The first wrong element of a tensor, in words; empty where that is not known.

    by_target: whether the source's is beside the target's, and not the other way round.
    """
    for each in tensors:
        if each.wrong_shape or found.status != "mismatch":
            return ""
        outside = np.argwhere(each.deviation > found.allowed).tolist()
        if not outside:
            continue
        names, place = ["batch", "unit"], min(outside)
        if len(place) == 3 and each.name == "outputs":
            names, place = ["batch", "time", "unit"], min(outside, key=lambda at: (at[1], at))
        elif len(place) == 3:
            names = ["cell", *names]
        where = ", ".join(f"{name} {k}" for name, k in zip(names, place, strict=False))
        numbers = [f"{array[tuple(place)]:.9g}" for array in (each.target, each.expected)]
        observed, expected = reversed(numbers) if by_target else numbers
        return f"; first wrong at {where}: observed {observed}, expected {expected}"
    return ""


def cause_of(two: TwoLive, asked: Sequence[Question]) -> str:
    """The known mistake that makes the target's answers of the source's, in words; empty where none does."""
    wrong = [each for each in asked if not same(each.target, each.source)]
    telling = sorted(wrong, key=lambda each: each.case.inputs.size)[-TELLING:]
    if not telling:
        return ""
    first = [next(each.tensors()) for each in telling]
    for mistake in AROUND:
        if all(explains(two.source.run, mistake, each) for each in telling):
            return mistake.description.replace(ZEROS_BEYOND, "")  # only steps that count are looked at here
    return next(plain_causes(first), "")


def explains(run: Callable[[Case], Trace], mistake: Mistake, asked: Question) -> bool:
    """Tell whether the source, asked as the mistake has it, answers as the target does."""
    case = asked.case
    try:
        trace = run(mistake.mistaken_case(case))
        if mistake.final_states_of:
            other = run(mistake.final_states_of(case))
            trace = replace(trace, final_state=other.final_state, final_cell_state=other.final_cell_state)
        if mistake.change_trace:
            trace = mistake.change_trace(case, trace)
    except Exception:  # the mistake cannot be made with this model
        return False
    return same(asked.target, trace)


def same(one: Trace, other: Trace) -> bool:
    """Tell whether two answers are the same but for rounding, in all that both show."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ARRAYS]
    return all(
        np.shape(a) == np.shape(b) and is_near(np.asarray(a, np.float64), np.asarray(b, np.float64))
        for a, b in pairs
        if a is not None and b is not None
    )
