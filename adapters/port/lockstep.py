"""The check that a person asks for: of two whole models where both are that, else of a layer of each."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.files.reading import NO_LAYERS
from rnn_lockstep.adapters.models.live import WrongForm, connect
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.answers import computes_otherwise
from rnn_lockstep.adapters.port.asked import AskedPair, asked_pair
from rnn_lockstep.adapters.port.check import EXAMPLES, Pair, check_pair, pair_of
from rnn_lockstep.adapters.port.verdict import PortVerdict
from rnn_lockstep.adapters.port.weights import WeightsDiff
from rnn_lockstep.adapters.port.whole.asking import CannotAsk
from rnn_lockstep.adapters.port.whole.check import EXAMPLES as WHOLE_EXAMPLES
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.end import whole_pair
from rnn_lockstep.adapters.port.whole.verdict import WholeVerdict

ASK_IT = "name what builds the model, as package.module:name: it can be asked where it cannot be read"
NEEDS_WHOLE = "inputs are for two whole models, asked without a layer's name"


def lockstep_check(source: Any, target: Any, **options: Any) -> PortVerdict | WholeVerdict:
    """The verdict on a target as a port of a source, for a test: `assert lockstep_check(source, target)`.

    source: the path of a model file, a RecurrentLayer, or a live model: a torch.nn.Module, a Keras layer or
    model, a function; "package.module:name" of one, or of what builds one.
    target: the same, or a function from inputs (batch, time, input_size) to outputs, or to outputs and final
    states: see `adapters.models.live`.
    options: those of `Question`, and examples, the number of sequences, and seed, which draws them.
    A verdict that is no match is printed to standard error too, which pytest shows in full, whereas it shows
    the beginning of a failing assertion only.
    Raises InvalidModel, with one line, where source or target cannot be read or asked.
    """
    examples, seed = options.pop("examples", None), options.pop("seed", 0)
    verdict = Question(source, target, **options).verdict(examples, seed)
    if not verdict:
        print(verdict, file=sys.stderr)
    return verdict


@dataclass(frozen=True, eq=False)
class Question:
    """A source and a target, and what is asked of them.

    layer: the name of the one layer to compare, or "a+b" for a and on top of it b, as one.
    source_layer, target_layer: where their names differ.
    options: those that a file does not tell, for example {"activation": "relu"}.
    inputs: what whole models take, as in "tokens:int(0..999) (batch,time); x:float (batch,time,8)", or the
    path of an .npz with a person's own arrays; needed where the source has no input specification.
    batch, time: where whole models take no other.
    """

    source: Any
    target: Any
    layer: str | None = None
    source_layer: str | None = None
    target_layer: str | None = None
    options: Mapping[str, Any] | None = None
    inputs: str | Path | None = None
    batch: int | None = None
    time: int | None = None

    @cached_property
    def whole(self) -> WholePair | str:
        """Both ends as whole models, or else why they are not compared as such; empty where none are asked.

        Raises InvalidModel.
        """
        if any((self.layer, self.source_layer, self.target_layer)):
            found: WholePair | str = ""
        else:
            sizes = {"batch": self.batch, "time": self.time}
            found = whole_pair(self.source, self.target, self.inputs, self.options or {}, **sizes)
        if isinstance(found, str) and (self.inputs or self.batch or self.time):
            raise InvalidModel(found or NEEDS_WHOLE)
        return found

    @cached_property
    def pair(self) -> Pair | AskedPair:
        """One layer of each end, of which a live source need not be read. Raises InvalidModel."""
        names = {name: getattr(self, name) for name in ("layer", "source_layer", "target_layer")}
        try:
            return pair_of(self.source, self.target, options=self.options, **names)
        except InvalidModel as error:
            if NO_LAYERS in str(error) and any(is_file(end) for end in (self.source, self.target)):
                raise InvalidModel(f"{error}; {ASK_IT}") from None
            if self.names_source:
                raise
            found = asked_pair(self.source, self.target, str(error), self.target_layer)
            if found is None:
                raise
            return found

    @property
    def asked_instead(self) -> AskedPair | None:
        """The pair to be asked side by side, where a live source does not compute what its weights say."""
        pair = self.pair
        if not isinstance(pair, Pair) or self.names_source:
            return None
        otherwise = computes_otherwise(pair.source, pair.source_layer)
        return AskedPair(pair.source, pair.target, pair.target_layer, otherwise) if otherwise else None

    @property
    def names_source(self) -> bool:
        """Whether a part of the source is asked for by name."""
        return bool(self.layer or self.source_layer)

    @property
    def diff(self) -> WeightsDiff | None:
        """The weights of both layers beside each other, where one layer is asked and they can be read.

        Raises InvalidModel.
        """
        return None if isinstance(self.whole, WholePair) else self.pair.diff

    def verdict(self, examples: int | None = None, seed: int = 0) -> PortVerdict | WholeVerdict:
        """The verdict on the target. Raises InvalidModel where source or target cannot be read or asked.

        examples: how many inputs or sequences; as many as are usual where it is None.
        """
        if isinstance(self.whole, str):
            return self.layer_verdict(examples, seed, self.whole)
        try:
            return self.whole.verdict(examples or WHOLE_EXAMPLES, seed)
        except CannotAsk as error:
            return self.layer_verdict(examples, seed, str(error))

    def layer_verdict(self, examples: int | None, seed: int, why: str) -> PortVerdict | WholeVerdict:
        """The verdict on one layer. why: the whole models are not compared; empty where none are asked."""
        try:
            pair = self.asked_instead or self.pair
            if isinstance(pair, AskedPair):
                return pair.verdict(examples, seed)
            verdict = check_pair(pair, examples or EXAMPLES, seed)
        except InvalidModel as error:
            raise InvalidModel(f"{error}; as a whole model: {why}" if why else str(error)) from None
        if not why or is_layer(pair):
            return verdict
        only = verdict.only or f"layer {pair.name}; the model around it was not run"
        return replace(verdict, only=only, notes=(*verdict.notes, f"not compared as whole models: {why}"))


def is_file(end: Any) -> bool:
    """Tell whether an end was given as a file's path."""
    return isinstance(end, (str, Path)) and Path(end).exists()


def is_layer(pair: Pair) -> bool:
    """Tell whether all of a live source answers as a layer does, so that the layer is the whole of it."""
    if pair.source.model is None:
        return False
    try:
        return not connect(pair.source.ways(None, None), pair.source_layer).way.part
    except (WrongForm, InvalidModel):
        return False
