"""A recurrent layer within a model, judged by the oracle from the inputs that it really got."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.options import settled
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, in_dtype
from rnn_lockstep.adapters.port.answers import judge
from rnn_lockstep.adapters.port.check import check_port
from rnn_lockstep.adapters.port.weights import judging, weights_diff
from rnn_lockstep.adapters.port.whole.model import Call, WholeModel, ends_of
from rnn_lockstep.adapters.port.whole.pairing import Place
from rnn_lockstep.adapters.port.whole.walk import Walk
from rnn_lockstep.reference import Case, Trace, Verdict
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states
from rnn_lockstep.reference.oracle.time_limit import time_limit
from rnn_lockstep.reference.oracle.validation import Array

NOT_TOLD = "the lengths of rows are not told to it, so it runs on over the padding"
FEW = 8  # sequences, to explain a layer that is wrong
MOST = 4  # calls within a model that a cause has to explain
LONGEST = 20.0  # seconds for that
NO_PADDING: Mapping[str, Array] = {}


@dataclass(frozen=True, eq=False)
class LayerFound:
    """The verdict on one recurrent layer within the target.

    weights: lines that tell how its weights differ.  cause: the likely one of a mismatch.
    verdicts: the oracle's, one for each question.
    """

    place: Place
    verdicts: tuple[Verdict, ...]
    weights: tuple[str, ...] = ()
    cause: str = ""

    @property
    def status(self) -> str:
        """The worst of the verdicts; wrong weights are a mismatch whatever the answers are."""
        statuses = {v.status for v in self.verdicts}
        if self.cause or statuses & {"mismatch", "drift"}:
            return "mismatch"
        return "match" if "match" in statuses else "inconclusive"

    @property
    def ratio(self) -> float | None:
        """The largest deviation as a fraction of its bound; None where no numbers were compared."""
        return max((v.ratio for v in self.verdicts if v.comparisons), default=None)

    def __str__(self) -> str:
        if self.status == "mismatch":
            return self.cause or next(v.reason for v in self.verdicts if v.status in ("mismatch", "drift"))
        if self.status == "inconclusive":
            return self.verdicts[-1].reason
        return f"worst/bound {max(v.ratio for v in self.verdicts):.2g}"


def layer_found(
    place: Place,
    layers: tuple[RecurrentLayer, RecurrentLayer | None],
    calls: Sequence[tuple[Call, Call]],
    target: WholeModel,
    options: Mapping[str, Any],
) -> LayerFound:
    """The verdict on a layer of the target's.

    layers: the source's and the target's, which is None where it cannot be read.
    calls: those of the target and the source, one for each question.
    Raises InvalidModel for options that do not fit.
    """
    mine, its, _ = settled(*layers, options)
    lines, cause = [], ""
    if its is not None:
        diff = weights_diff(mine, its)
        lines, cause = list(diff.lines()), diff.cause
        if not diff.arrays:
            return LayerFound(place, (), tuple(lines), cause)
        mine = judging(mine, its, diff)
    shown = [shown_by(mine, call, source.padding) for call, source in calls]
    facts = target.facts()
    verdicts = tuple(each.verdict(facts) for each in shown)
    found = LayerFound(place, verdicts, tuple(lines), cause)
    if found.status != "mismatch" or cause:
        return found
    cause = not_told(mine, calls, facts) or cause_alone(mine, place, target)
    return replace(found, cause=cause or cause_within(shown, verdicts, target))


def not_told(layer: RecurrentLayer, calls: Sequence[tuple[Call, Call]], facts: Facts) -> str:
    """The cause where a layer is right but for the lengths of rows, which only the source's is told."""
    if all(call.padding or not source.padding for call, source in calls):
        return ""
    without = [shown_by(layer, call) for call, _ in calls]
    if any(each.verdict(facts).status in ("mismatch", "drift") for each in without):
        return ""
    return NOT_TOLD


@dataclass(frozen=True, eq=False)
class Shown:
    """What a layer showed in one call: the case that it was asked, the trace, and what is not in it."""

    case: Case
    trace: Trace
    unobserved: tuple[str, ...]

    def verdict(self, facts: Facts) -> Verdict:
        """The oracle's verdict, with the errors that are declared of the layer's framework.

        A compiler may compute the last step once for the outputs and again, rounded otherwise, for the final
        state. Where both are right results of that step, neither has to be a copy of the other.
        """
        found = judge(facts, self.case, self.trace, self.unobserved)
        if found.status != "mismatch":
            return found
        each = [judge(facts, self.case, trace, self.unobserved) for trace in twice_rounded(self)]
        if each and all(verdict.status == "match" for verdict in each):
            return max(each, key=lambda verdict: verdict.ratio)
        return found


def twice_rounded(shown: Shown) -> list[Trace]:
    """The trace with the outputs' last step as final state, and the other way round; none of stacks."""
    case, trace = shown.case, shown.trace
    if (
        trace.final_state is None
        or case.layers > 1
        or not case.return_sequences
        or not case.valid.any(axis=1).all()
    ):
        return []
    if case.merge_mode not in (None, "concat") or trace.outputs.shape[:2] != case.valid.shape:
        return []
    rows, outputs, finals = np.arange(case.batch), trace.outputs.copy(), trace.final_state.copy()
    size = case.features // case.directions
    for k, final in enumerate(finals.reshape(case.directions, case.batch, -1)):
        ends = ends_of(case.valid)[0 if k == 1 or case.reverse else 1]
        units = slice(k * size, (k + 1) * size)
        step = outputs[rows, ends, units].copy()
        outputs[rows, ends, units] = final
        final[:] = step
    return [replace(trace, final_state=finals), replace(trace, outputs=outputs)]


def shown_by(layer: RecurrentLayer, call: Call, padding: Mapping[str, Array] = NO_PADDING) -> Shown:
    """What a layer showed in a call. padding: what the source's layer was told of it."""
    given = call.outputs if call.outputs is not None else call.last
    assert given is not None
    told = bool(call.padding)
    if told or (call.outputs is None and not call.unnamed):
        padding = call.padding
    layer = in_dtype(replace(layer, return_sequences=call.outputs is not None), given.dtype)
    case = layer.case(call.inputs.astype(given.dtype), **padding)
    if call.initial:
        states = (s.reshape(shape) for s, shape in zip(call.initial, case.state_shapes, strict=True))
        case = with_states(case, *(state.astype(given.dtype) for state in states))
    if case.padded and call.outputs is not None:
        given = np.where(case.valid[..., None], given, given.dtype.type(0))
    final: list[Any] = [None, None]
    if call.final and (told or not padding):
        final = [s.reshape(shape) for s, shape in zip(call.final, case.state_shapes, strict=True)] + [None]
    names = ("final_state", "final_cell_state")
    kinds = len(case.state_shapes)
    unobserved = (name for name, state in zip(names[:kinds], final, strict=False) if state is None)
    return Shown(case, Trace(given, final[0], final[1]), tuple(unobserved))


def cause_within(shown: Sequence[Shown], verdicts: Sequence[Verdict], target: WholeModel) -> str:
    """The likely cause, from what a layer showed within its model; empty where none is found."""
    wrong = [
        Answer(each.case, each.trace)
        for each, verdict in zip(shown, verdicts, strict=True)
        if verdict.status == "mismatch" and verdict.comparisons and not each.unobserved
    ]
    if not wrong:
        return ""
    with time_limit(LONGEST):
        diagnosis = diagnose(wrong[:MOST], target.facts().arithmetic(wrong[0].case.dtype))
    return str(diagnosis) if diagnosis.explanations else ""


def cause_alone(layer: RecurrentLayer, place: Place, target: WholeModel) -> str:
    """The likely cause, from more questions to the target's layer alone; empty where that tells none."""
    try:
        alone = check_port(layer, target.alone(place.name), examples=FEW)
    except InvalidModel:
        return ""
    if alone.status == "mismatch":
        return alone.cause
    return "alone, the layer matches; within the model it does not"


def missing_layers(walk: Walk, source: WholeModel, target: WholeModel) -> str:
    """The recurrent layers that one of the models runs and the other has not, in words; or empty."""
    ran = [list(dict.fromkeys(call.layer for call in run.calls)) for run in (walk.own[0], walk.answers[0])]
    if any(call.unnamed for run in (walk.own[0], walk.answers[0]) for call in run.calls):
        return ""  # two of these may be the directions of one layer
    models = (source, target)
    if not all(ran) or any(
        name not in m.layers for m, names in zip(models, ran, strict=True) for name in names
    ):
        return ""
    mine, its = (sum(len(m.layers[n].cells) for n in names) for m, names in zip(models, ran, strict=True))
    if mine == its:
        return ""
    ours, theirs = map(", ".join, ran)
    return f"the source has {mine} recurrent cells (in {ours}), the port {its} (in {theirs})"


def weights_cause(source: WholeModel, target: WholeModel) -> str:
    """The first recurrent layer whose weights are no layer's of the source, and how they differ; or empty."""
    mine, its = list(source.layers.values()), list(target.layers.values())
    if len(mine) != len(its):
        return ""
    left = [layer for layer in its if not layer_like(layer, mine)]
    free = [layer for layer in mine if not layer_like(layer, its)]
    for ours, theirs in zip(free, left, strict=False):
        return f"{theirs.name} itself: {wrong_weights(ours, theirs)}"
    return ""


def layer_like(layer: RecurrentLayer, others: Iterable[RecurrentLayer]) -> str:
    """The name of the first of the others that has a layer's weights and options; empty where none has."""
    return next((other.name for other in others if not wrong_weights(other, layer)), "")


def wrong_weights(ours: RecurrentLayer, theirs: RecurrentLayer) -> str:
    """How a layer's weights and options differ from the source's, in words; empty where they do not.

    Two directions may be put together after the layer: that is no difference of the layer.
    """
    if ours.merge_mode and theirs.merge_mode:
        with suppress(ValueError):  # of a stack, whose upper layers take what is put together
            theirs = replace(theirs, merge_mode=ours.merge_mode)
    return weights_diff(ours, theirs).cause


def instead_of(ours: RecurrentLayer, theirs: RecurrentLayer, source: WholeModel) -> str:
    """The name of the source's layer whose weights a layer has in place of the right one's; or empty."""
    return layer_like(theirs, source.layers.values()) if wrong_weights(ours, theirs) else ""
