"""The check of a port: does the target compute what the source's layer does, with the source's real weights?

The oracle runs the source's weights. Every step that the target answers is judged as any backend's is.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.live import Misfit, Port, meet
from rnn_lockstep.adapters.models.options import settled
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.endpoint import Endpoint, endpoint
from rnn_lockstep.adapters.port.verdict import PortVerdict
from rnn_lockstep.adapters.port.walk import likely_cause, summary, walk
from rnn_lockstep.adapters.port.weights import WeightsDiff, weights_diff
from rnn_lockstep.adapters.safe_files import printable
from rnn_lockstep.reference import Verdict

EXAMPLES = 24
FEW = 8  # of a live source, whose own answers are judged too


def lockstep_check(source: Any, target: Any, **options: Any) -> PortVerdict:
    """The verdict on a target as a port of a source, for a test: `assert lockstep_check(source, target)`.

    Takes and raises what `check_port` does. What is no match is printed too, to standard error, which
    pytest shows in full; of the verdict in a failing assertion it shows the beginning.
    """
    verdict = check_port(source, target, **options)
    if not verdict:
        print(verdict, file=sys.stderr)
    return verdict


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
    options: what a file does not tell, {"activation": "relu"} say.
    examples: how many sequences are compared.  seed: draws them.
    Raises InvalidModel, with one line, where source or target cannot be read or asked.
    """
    names = {"layer": layer, "source_layer": source_layer, "target_layer": target_layer}
    return judged(paired(source, target, options=options, **names), examples, seed)


def judged(pair: "Pair", examples: int = EXAMPLES, seed: int = 0) -> PortVerdict:
    """The verdict on the target of a pair. Raises InvalidModel."""
    if pair.diff and not pair.diff.arrays:
        return pair.wrong(pair.diff.cause)
    try:
        port = meet(pair.target.ways(pair.its, pair.its_name), pair.mine)
    except Misfit as misfit:
        return pair.wrong(str(misfit))
    except InvalidModel as error:
        raise InvalidModel(f"{pair.target.name}: {error}") from None
    verdicts = walk(port, examples, seed)
    asked = summary(port, verdicts)
    unclear = any(verdict.status == "inconclusive" for verdict in verdicts)
    if unclear and verdicts[-1].status != "mismatch" and (wide := port.live.wider()):
        port = meet([wide], pair.mine)
        more = walk(port, examples, seed)
        asked = f"{asked}\n  sequences: {summary(port, more)}"
        verdicts += more
    pair = pair.with_notes(*port.notes(), *about_source(pair, examples, seed))
    return pair.verdict(chosen(verdicts), cause(pair, port, verdicts[-1], seed), asked)


@dataclass(frozen=True, eq=False)
class Pair:
    """A source and a target, the layer of each, and what is known of them so far.

    its, its_name: None where the target's layer cannot be read, or is not one.
    """

    source: Endpoint
    target: Endpoint
    mine: RecurrentLayer
    its: RecurrentLayer | None
    its_name: str | None
    diff: WeightsDiff | None
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> "Pair":
        return replace(self, notes=(*self.notes, *notes))

    def wrong(self, reason: str) -> PortVerdict:
        """The verdict where nothing can be run."""
        case = self.mine.case(np.zeros((1, 1, self.mine.input_size), self.mine.dtype))
        return self.verdict(Verdict(case, "mismatch", reason), reason, "")

    def verdict(self, found: Verdict, cause: str, asked: str) -> PortVerdict:
        weights = ["not compared: the target's cannot be read"] if self.diff is None else self.diff.lines()
        return PortVerdict(
            found.case,
            "mismatch" if found.status == "match" and cause else found.status,
            found.reason,
            found.comparisons,
            names=(self.source.name, self.target.name),
            layer=described(self.mine),
            cause=cause,
            weights=tuple(weights),
            asked=asked,
            notes=self.notes,
        )


def paired(
    source: Any,
    target: Any,
    *,
    layer: str | None = None,
    source_layer: str | None = None,
    target_layer: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Pair:
    """What `check_port` compares, with the weights beside each other. Raises InvalidModel."""
    ours, theirs = endpoint(source), endpoint(target)
    mine = ours.layer(source_layer or layer)
    its_name = target_layer or (layer if layer in theirs.names else None)
    several = len(theirs.layers) != 1 and theirs.model is not None  # which may be a port all the same
    its = None if several and its_name is None else theirs.layer(its_name)
    mine, its, notes = settled(mine, its, options or {})
    diff = None if its is None else weights_diff(mine, its)
    return Pair(ours, theirs, mine, its, its_name, diff, tuple(notes))


def about_source(pair: Pair, examples: int, seed: int) -> list[str]:
    """That a live source does not compute itself what its weights say, where that is so."""
    if pair.source.model is None:
        return []
    try:
        port = meet(pair.source.ways(pair.mine, pair.mine.name), pair.mine)
    except (InvalidModel, Misfit) as error:
        return [f"the source was not asked itself: {error}"]
    last = walk(port, min(examples, FEW), seed)[-1]
    if last.status != "mismatch":
        return []
    return [f"the source itself does not compute what its weights say: {likely_cause(port, last, seed)}"]


def chosen(verdicts: list[Verdict]) -> Verdict:
    """The mismatch that came last, or else the last match, or else the last."""
    return next((v for v in reversed(verdicts) if v.status != "inconclusive"), verdicts[-1])


def cause(pair: Pair, port: Port, last: Verdict, seed: int) -> str:
    """What is wrong; empty where nothing is."""
    wrong = last.status == "mismatch"
    if pair.diff and pair.diff.cause and (wrong or port.live.bare):
        return pair.diff.cause
    return likely_cause(port, last, seed) if wrong else ""


def described(layer: RecurrentLayer) -> str:
    """A layer in one line."""
    words = [layer.cell, f"{layer.input_size} -> {layer.hidden_size}", str(layer.dtype)]
    words += [f"{layer.layers} layers"] if layer.layers > 1 else []
    words += [f"both directions, {layer.merge_mode}"] if layer.merge_mode else []
    return f"{printable(layer.name)} ({', '.join(words)})"
