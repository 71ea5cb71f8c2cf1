"""A source that can be asked, and not read: the oracle runs what its answers prove, or else none is used."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer, Way, WrongForm, connect, found_live, is_live, ways
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE
from rnn_lockstep.adapters.models.recurrent_layer import OPTIONS, InvalidModel, RecurrentLayer, stacked
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.answers import SOME, answers_as, are_all_right, is_wrong, takes, wrong_answers
from rnn_lockstep.adapters.port.beside import TwoLive, beside
from rnn_lockstep.adapters.port.check import EXAMPLES, Pair, check_pair
from rnn_lockstep.adapters.port.copies import likely_sizes, ways_in_float
from rnn_lockstep.adapters.port.endpoint import Endpoint, endpoint, imported, name_of
from rnn_lockstep.adapters.port.form import asked_form
from rnn_lockstep.adapters.port.sequences import telling
from rnn_lockstep.adapters.port.verdict import PortVerdict
from rnn_lockstep.adapters.port.weights import UNRELATED, weights_diff
from rnn_lockstep.adapters.port.whole.asking import CannotAsk
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.end import whole_model
from rnn_lockstep.adapters.port.whole.inputs import Input
from rnn_lockstep.adapters.port.whole.verdict import WholeVerdict
from rnn_lockstep.reference import Verdict
from rnn_lockstep.reference.diagnosis.diagnose import diagnose
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake

PROVEN = "the source was asked, as its weights cannot be taken: by the oracle it computes with {}"
TARGETS, RECOVERED = "the target's", "the target's but for this"
VAGUE = ("is wrong in", UNRELATED)
OWN = "those that its names tell, one layer on top of another"


@dataclass(frozen=True, eq=False)
class AskedPair:
    """A live source whose weights cannot be read, or are not what it computes with, and a target.

    target_layer: the target's, where it can be read.  why: the source's weights are not taken.
    diff: None, as there are no weights to lie beside each other.
    """

    source: Endpoint
    target: Endpoint
    target_layer: RecurrentLayer | None
    why: str
    diff: None = None

    def verdict(self, examples: int | None, seed: int) -> PortVerdict | WholeVerdict:
        """The verdict on the target. Raises InvalidModel where one of the two cannot be asked."""
        layer, whose, difference = self.computed(seed)
        if layer is None:
            return self.beside(examples or SOME, seed, difference)
        its = self.target_layer
        diff = None if its is None else weights_diff(layer, its)
        if diff is not None and difference and any(vague in diff.cause for vague in VAGUE):
            diff = replace(diff, cause=f"in the source {difference}, and not in the port")
        told = PROVEN.format(f"{whose}: {difference}" if difference else whose)
        pair = Pair(self.source, self.target, layer, its, None, diff, (told,))
        return check_pair(pair, examples or EXAMPLES, seed)

    def computed(self, seed: int) -> tuple[RecurrentLayer | None, str, str]:
        """The layer that the source computes, by its answers, and whose weights those are.

        The layer is None where none is found. Last, how it differs from the target's, where that is known.
        """
        if len(self.source.layers) > 1:
            try:
                stack = stacked(self.source.layers)
            except ValueError:
                pass
            else:
                if confirmed(self.source, stack, seed):
                    return stack, OWN, ""
        if self.target_layer is None:
            return None, "", ""
        verdicts = answers_as(self.source.ways(None, None), self.target_layer, SOME, seed)
        if are_all_right(verdicts):
            return self.target_layer, TARGETS, ""
        if verdicts is None or not is_wrong(verdicts[-1]):
            return None, "", ""
        layer, difference = recovered(self.source, self.target_layer, verdicts[-1], seed)
        return layer, RECOVERED, difference

    def beside(self, examples: int, seed: int, difference: str) -> WholeVerdict:
        """The verdict by the source's own answers. Raises InvalidModel."""
        notes = [f"the source's weights are not taken: {self.why}"]
        if difference:
            notes.append(f"the source answers as the target's weights would, but for this: {difference}")
        told = WholeVerdict("match", "", (self.source.name, self.target.name), "", notes=tuple(notes))
        model, its = self.source.model, self.target_layer
        sizes = likely_sizes(model, self.target.model, [] if its is None else [its.input_size])
        try:
            source = asked_form(own_ways(model, 32), sizes)
            two = two_live(source, model, self.target, its)
        except (InvalidModel, WrongForm) as error:
            return self.as_whole(told, sizes, seed, str(error))
        try:
            return beside(two, told, examples, seed)
        except InvalidModel:
            raise
        except Exception as error:  # the source's, whatever it is
            raise InvalidModel(f"{self.source.name}: asked, it raised {with_type(error)}") from error

    def as_whole(self, told: WholeVerdict, sizes: list[int], seed: int, form: str) -> WholeVerdict:
        """The verdict on both as whole models, where one does not answer in the form of a layer's answers.

        form: why it does not.  Raises InvalidModel where they cannot be asked so either.
        """
        mine, its = (whole_model(end.model, layers=False) for end in (self.source, self.target))
        failed = InvalidModel(f"{self.why}; asked in its place: {form}; --inputs tells what it takes")
        if mine is None or its is None:
            raise failed
        for size in sizes:
            inputs = (Input("x", ("batch", "time", size)),)
            try:
                verdict = WholePair(told.names, mine, its, inputs).verdict(seed=seed)
            except (InvalidModel, CannotAsk):
                continue
            return replace(verdict, notes=(*told.notes, *verdict.notes))
        raise failed


def asked_pair(source: Any, target: Any, why: str, target_layer: str | None = None) -> AskedPair | None:
    """The pair of a source that is asked in place of being read; None where it is no live model.

    why: its weights are not taken.  target_layer: the name of the target's.  Raises InvalidModel.
    """
    ours = live_end(source)
    if ours is None:
        return None
    theirs = live_end(target) or endpoint(target)
    its = theirs.layer(target_layer) if target_layer or len(theirs.found) == 1 == len(theirs.layers) else None
    if its is None and theirs.model is None:
        its = theirs.layer(None)  # or tell what there is
    return AskedPair(ours, theirs, its, why)


def live_end(given: Any) -> Endpoint | None:
    """The endpoint of a live model, of which no layer need be read; None for a file."""
    if isinstance(given, RecurrentLayer):
        return None
    try:
        end = endpoint(given)
    except InvalidModel:  # of a live one, perhaps that it cannot be read
        model = imported(given) if isinstance(given, str) and ":" in given else given
        if not is_live(model):
            raise
        return Endpoint(given if isinstance(given, str) else name_of(model), tuple(found_live(model)), model)
    return end if end.model is not None else None


def own_ways(model: Any, bits: int) -> list[Way]:
    """The ways to ask all of a model in float32 or float64; as it is where no such copy can be made."""
    try:
        found = list(ways_in_float(model, bits))
    except Exception:  # of a model that cannot be copied
        found = list(ways(model)) if bits == 32 else []
    return [way for way in found if not way.part]


def two_live(source: LiveLayer, model: Any, target: Endpoint, its: RecurrentLayer | None) -> TwoLive:
    """Both ends, the target asked in the source's form. Raises WrongForm and InvalidModel of the target."""
    in_64 = None if target.model is None else in_float64(source, target.model)
    if source.layer.dtype != np.float32 and in_64 is not None:  # what cannot be in float32 is not compared so
        return TwoLive(source, in_64, source)
    asked = connected([way for way in target.ways(its, None) if not way.part], source)
    wide = in_float64(source, model) if source.layer.dtype == np.float32 else None
    if wide is not None or in_64 is None or in_64.way.takes != asked.way.takes:
        return TwoLive(source, asked, wide)
    return TwoLive(source, asked, in_64, by_target=True)


def connected(given: Sequence[Way], source: LiveLayer) -> LiveLayer:
    """A model asked in the source's form, without initial states where it cannot be given those.

    Raises WrongForm and InvalidModel.
    """
    if INITIAL_STATE in source.way.takes:
        with suppress(InvalidModel, WrongForm):
            return connect(given, source.layer)
    without = [replace(way, takes=way.takes - {INITIAL_STATE}) for way in given]
    return connect(without, source.layer)


def in_float64(source: LiveLayer, model: Any) -> LiveLayer | None:
    """The source or the target in float64, asked in the source's form; None where it cannot be."""
    try:
        wide = connected(own_ways(model, 64), source)
    except (WrongForm, InvalidModel):
        return None
    return wide if wide.layer.dtype == np.float64 else None


def confirmed(end: Endpoint, layer: RecurrentLayer, seed: int) -> bool:
    """Tell whether a live model's own answers are those of a layer."""
    return are_all_right(answers_as(end.ways(None, None), layer, SOME, seed))


def recovered(
    source: Endpoint, layer: RecurrentLayer, wrong: Verdict, seed: int
) -> tuple[RecurrentLayer | None, str]:
    """The layer whose weights the source has, where a mistake makes them of another's; or the difference.

    wrong: the verdict on its answer, as if it had the other's.
    """
    live = connect([way for way in source.ways(None, None) if not way.part], layer)
    answers = list(wrong_answers(live, [wrong.case, *telling(live.layer, seed, **takes(live))]))
    if not answers:
        return None, ""
    diagnosis = diagnose(answers, live.facts.arithmetic(live.layer.dtype))
    for explanation in diagnosis.explanations:
        other = with_weights_of(layer, explanation.mistakes)
        if other is not None and confirmed(source, other, seed):
            return other, explanation.says
    return None, str(diagnosis) if diagnosis.explanations else ""


def with_weights_of(layer: RecurrentLayer, mistakes: tuple[Mistake, ...]) -> RecurrentLayer | None:
    """The layer that mistakes make of one, with its weights and options; None where they do not."""
    case = layer.case(np.zeros((1, 1, layer.input_size), layer.dtype))
    try:
        other = reduce(lambda case, mistake: mistake.mistaken_case(case), mistakes, case)
        options = {name: getattr(other, name) for name in OPTIONS}
        return replace(layer, cells=(other.weights, *other.more_weights), **options) if mistakes else None
    except (ValueError, IndexError):
        return None
