"""The check of a port: whether the target computes what the source's layer does, with its real weights.

The oracle runs the source's weights. Every step that the target answers is judged as any backend's is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer, WrongForm, connect
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE
from rnn_lockstep.adapters.models.options import settled
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.again import IGNORED, carried_on, ignores_states, unsteady
from rnn_lockstep.adapters.port.answers import (
    check_many_rows,
    check_sequences,
    computes_otherwise,
    is_unproven,
    is_wrong,
    likely_cause,
    summary,
)
from rnn_lockstep.adapters.port.endpoint import Endpoint, endpoint
from rnn_lockstep.adapters.port.padding import OF_BACKENDS, convention_notes, shown_by
from rnn_lockstep.adapters.port.verdict import PortVerdict
from rnn_lockstep.adapters.port.weights import WeightsDiff, judging, weights_diff
from rnn_lockstep.adapters.port.whole.verdict import Line
from rnn_lockstep.reference import Verdict

EXAMPLES = 24
FEW = 8  # of a live source, whose own answers are judged too


def check_port(
    source: Any,
    target: Any,
    *,
    layer: str | None = None,
    source_layer: str | None = None,
    target_layer: str | None = None,
    options: Mapping[str, Any] | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
) -> PortVerdict:
    """The verdict on a target as a port of one layer of a source.

    source: the path of a model file, a RecurrentLayer, or a live model that has such a layer: a
    torch.nn.Module, a Keras layer or model; "package.module:name" of one, or of what builds one.
    target: the same, or any torch.nn.Module or function from inputs (batch, time, input_size) to outputs,
    or to outputs and final states: see `adapters.models.live`.
    layer: the name of the layer, where there are several, or "a+b" for a and on top of it b, as one.
    source_layer, target_layer: where their names differ.
    options: those that a file does not tell, for example {"activation": "relu"}.
    examples: how many sequences are compared.  seed: draws them.
    Raises InvalidModel, with one line, where source or target cannot be read or asked.
    """
    names = {"layer": layer, "source_layer": source_layer, "target_layer": target_layer}
    return check_pair(pair_of(source, target, options=options, **names), examples, seed)


def check_pair(pair: "Pair", examples: int = EXAMPLES, seed: int = 0) -> PortVerdict:
    """The verdict on the target of a pair, on as many sequences as `examples`. Raises InvalidModel."""
    if pair.diff and not pair.diff.arrays:
        return pair.mismatch(pair.diff.cause)
    try:
        live = connect(pair.target.ways(pair.target_layer, pair.target_name), pair.judging)
    except (WrongForm, InvalidModel) as error:
        return not_asked(pair, error)
    verdicts = check_sequences(live, examples, seed)
    if is_wrong(verdicts[-1]) and ignores_states(live, verdicts[-1].case):
        from_zeros = replace(live, way=replace(live.way, takes=live.way.takes - {INITIAL_STATE}))
        if not is_wrong((again := check_sequences(from_zeros, examples, seed))[-1]):
            live, verdicts = replace(from_zeros, before=(IGNORED,)), again
    asked = summary(live, verdicts)
    unclear = any(map(is_unproven, verdicts))
    if not unclear and not is_wrong(verdicts[-1]):
        more, note = check_many_rows(live, seed)
        asked = f"{asked}\n  sequences: {summary(live, more)}"
        verdicts, pair = [*verdicts, *more], pair.with_notes(*filter(None, [note]))
    if unclear and not is_wrong(verdicts[-1]) and (wide := live.way.wider()):
        live = connect([wide], pair.judging)
        more = check_sequences(live, examples, seed)
        asked = f"{asked}\n  sequences: {summary(live, more)}"
        verdicts += more
    pair = pair.with_notes(
        *live.notes(), *source_notes(pair, examples, seed), *padding_notes(pair, live, seed)
    )
    alone = alone_matches(pair, seed) if verdicts[-1].status == "mismatch" and not live.way.bare else ""
    pair = pair.with_notes(*filter(None, [alone]))
    cause = cause_of(pair, live, verdicts[-1], seed, alone)
    if pair.target.model is not None and verdicts[-1].status == "match" and not cause:
        cause, note = carried_on(live, pair.source_layer.stateful, seed)
        pair = pair.with_notes(*filter(None, [note]))
    found = pair.verdict(deciding(verdicts), cause, asked, compared_only(pair, live, verdicts))
    return replace(found, lines=tuple(map(line_of, verdicts)))


def line_of(verdict: Verdict) -> Line:
    """The finding on one sequence, without its arrays."""
    rows, steps, _ = verdict.case.inputs.shape
    ratio = verdict.ratio if verdict.comparisons else None
    return Line(f"{verdict.case.dtype}, {rows} x {steps}", verdict.status, verdict.reason, ratio)


def compared_only(pair: "Pair", live: LiveLayer, verdicts: Sequence[Verdict]) -> str:
    """What of the target was compared, in words, where that is not all; empty where it is.

    verdicts: on the sequences, of which some were asked in a wider dtype too where too little was known.
    """
    if live.way.part or pair.target.around:
        return f"layer {pair.name} alone; the model around it was not run"
    if IGNORED in live.before:
        return f"from zeros alone; {IGNORED}"
    if live.before and INITIAL_STATE not in live.way.takes:
        return "from zeros alone; what it does with an initial state could not be compared"
    nothing = sum(verdict.status == "inconclusive" for verdict in verdicts)
    if nothing and not any(verdict.case.dtype != pair.source_layer.dtype for verdict in verdicts):
        return f"{len(verdicts) - nothing} of {len(verdicts)} sequences; the others prove nothing"
    return ""


def not_asked(pair: "Pair", error: WrongForm | InvalidModel) -> PortVerdict:
    """The verdict on a target that does not answer as a layer does: by its weights, where they can be read.

    Raises InvalidModel where they cannot, and it does not answer at all.
    """
    if pair.diff is not None and not pair.diff.cause:
        only = f"the weights of layer {pair.name} alone; its answers could not be compared"
        return pair.with_notes(str(error)).without_answers("match", "", only)
    if pair.diff is not None:
        return pair.mismatch(pair.diff.cause)
    if isinstance(error, WrongForm):
        return pair.mismatch(str(error))
    raise InvalidModel(f"{pair.target.name}: {error}") from None


@dataclass(frozen=True, eq=False)
class Pair:
    """A source and a target, the layer of each, and what is known of them so far.

    target_layer, target_name: None where the target's layer cannot be read, or is not one.
    diff: the weights of both layers beside each other, where the target's can be read.
    """

    source: Endpoint
    target: Endpoint
    source_layer: RecurrentLayer
    target_layer: RecurrentLayer | None
    target_name: str | None
    diff: WeightsDiff | None
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> "Pair":
        """The pair with more notes, a line each."""
        return replace(self, notes=(*self.notes, *notes))

    @property
    def name(self) -> str:
        """The name of the target's layer, or else of the source's."""
        return printable((self.target_layer or self.source_layer).name)

    @property
    def judging(self) -> RecurrentLayer:
        """The layer by which the target's answers are judged."""
        return judging(self.source_layer, self.target_layer, self.diff)

    def mismatch(self, reason: str) -> PortVerdict:
        """The verdict where nothing can be run, and that or the weights are wrong."""
        return self.without_answers("mismatch", reason)

    def without_answers(self, status: str, reason: str, only: str = "") -> PortVerdict:
        """The verdict where nothing can be run."""
        layer = self.source_layer
        case = layer.case(np.zeros((1, 1, layer.input_size), layer.dtype))
        return self.verdict(Verdict(case, status, reason), reason, "", only)

    def verdict(self, found: Verdict, cause: str, asked: str, only: str = "") -> PortVerdict:
        """The verdict on the port, from that on the sequence that decides.

        cause: the likely one of a mismatch, in words.  asked: which sequences were compared.
        only: what was compared, in words, where that is not all.
        """
        weights = ["not compared: the target's cannot be read"] if self.diff is None else self.diff.lines()
        return PortVerdict(
            found.case,
            "mismatch" if found.status == "match" and cause else found.status,
            found.reason,
            found.comparisons,
            names=(self.source.name, self.target.name),
            layer=in_words(self.source_layer),
            cause=cause,
            only=only,
            weights=tuple(weights),
            asked=asked,
            notes=self.notes,
        )


def pair_of(
    source: Any,
    target: Any,
    *,
    layer: str | None = None,
    source_layer: str | None = None,
    target_layer: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Pair:
    """The pair that `check_port` compares, its weights beside each other. Raises InvalidModel."""
    ours, theirs = endpoint(source), endpoint(target)
    mine = ours.layer(source_layer or layer)
    name = target_layer or (layer if layer in theirs.names else None)
    several = len(theirs.layers) != 1 and theirs.model is not None  # which may be a port all the same
    its = None if several and name is None else theirs.layer(name)
    if its is not None and theirs.by_names and computes_otherwise(theirs, its):
        its, name = None, None
    mine, its, notes = settled(mine, its, options or {})
    notes += [] if source_layer or layer else ours.left_out()
    notes += [] if its is None or name else theirs.left_out()
    diff = None if its is None else weights_diff(mine, its)
    return Pair(ours, theirs, mine, its, name, diff, tuple(notes))


def source_notes(pair: Pair, examples: int, seed: int) -> list[str]:
    """A note where a live source does not compute itself what its weights say, or cannot be asked."""
    if pair.source.model is None:
        return []
    try:
        live = source_asked(pair)
    except (InvalidModel, WrongForm) as error:
        return [f"the source was not asked itself: {error}"]
    last = check_sequences(live, min(examples, FEW), seed)[-1]
    if last.status != "mismatch":
        return []
    return [f"the source itself does not compute what its weights say: {likely_cause(live, last, seed)}"]


def source_asked(pair: Pair) -> LiveLayer:
    """The source's own model, to be asked. Raises InvalidModel and WrongForm."""
    layer = pair.source_layer
    return connect(pair.source.ways(layer, layer.name), layer)


def padding_notes(pair: Pair, target: LiveLayer, seed: int) -> list[str]:
    """A note where a live target leaves something else on padding than the source does."""
    if pair.target.model is None:
        return []
    of_source = OF_BACKENDS.get(pair.source.backends[0], "")
    if pair.source.model is not None:
        try:
            of_source = shown_by(source_asked(pair), seed)
        except (InvalidModel, WrongForm):  # told already
            return []
    return convention_notes(target, of_source, seed)


def alone_matches(pair: Pair, seed: int) -> str:
    """A line where a model that is wrong has a layer that is right: then the mistake is around it."""
    ways = pair.target.ways(pair.target_layer, pair.target_name)
    try:
        alone = connect([way for way in ways if way.bare], pair.judging)
    except (InvalidModel, WrongForm):
        return ""
    if check_sequences(alone, FEW, seed)[-1].status != "match":
        return ""
    return (
        f"layer {pair.name} alone matches: what is wrong is around it, in what the model does before or after"
    )


def deciding(verdicts: Sequence[Verdict]) -> Verdict:
    """The last verdict that is not inconclusive, or else the last."""
    return next((v for v in reversed(verdicts) if v.status != "inconclusive"), verdicts[-1])


def cause_of(pair: Pair, live: LiveLayer, last: Verdict, seed: int, alone: str = "") -> str:
    """The likely cause of a mismatch, in words; empty where there is none.

    alone: a line where the layer alone is right.
    """
    wrong = last.status == "mismatch"
    if wrong and pair.target.model is not None and (why := unsteady(live, seed)):
        return why
    if pair.diff and pair.diff.cause and (wrong or live.way.bare):
        return pair.diff.cause
    return likely_cause(live, last, seed, alone) if wrong else ""


def in_words(layer: RecurrentLayer) -> str:
    """A layer in one line."""
    words = [layer.cell, layer.sizes, str(layer.dtype)]
    words += [f"{layer.layers} layers"] if layer.layers > 1 else []
    words += [f"both directions, {layer.merge_mode}"] if layer.merge_mode else []
    return f"{printable(layer.name)} ({', '.join(words)})"
