"""The two ends of a port, source and target, from whatever they are given as."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.registry import UnknownBackend, load
from rnn_lockstep.adapters.models.files.table import FORMATS, file_of, format_of, found_in
from rnn_lockstep.adapters.models.live import Way, found_live, framework_of, is_live, torch_module, ways
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.live.signature import required
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS
from rnn_lockstep.adapters.models.recurrent_layer import (
    Found,
    InvalidModel,
    RecurrentLayer,
    in_dtype,
    only,
    stacked,
    unread,
)
from rnn_lockstep.adapters.one_line import printable, with_type
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A source or a target.

    name: what it was given as.  found: its recurrent layers, with a reason for each that cannot be read.
    model: the live model; None for a file.
    backends: those that run the layers of a file, the first that can.
    around: whether a file has more than these layers, which is not run.
    """

    name: str
    found: tuple[Found, ...]
    model: Any = None
    backends: tuple[str, ...] = ("numpy",)
    around: bool = False

    def layer(self, name: str | None) -> RecurrentLayer:
        """The layer of that name, of a+b the layers a and on top of it b, or the only one.

        Raises InvalidModel.
        """
        parts = [] if name is None or name in self.names else name.split("+")
        if len(parts) < 2:
            return only(self.found, name, self.name)
        layers = [only(self.found, part, self.name) for part in parts]
        for below, above in pairwise(layers):
            if below.case(np.zeros((1, 0, below.input_size), below.dtype)).features != above.input_size:
                told = f"{above.name} takes inputs of {above.input_size}, which {below.name} does not give"
                raise InvalidModel(f"{self.name}: {told}: they are not on top of each other")
        try:
            return stacked(layers)
        except ValueError as error:
            raise InvalidModel(f"{self.name}: {error}") from None

    @property
    def layers(self) -> list[RecurrentLayer]:
        """Those of its layers that can be read."""
        return [layer for layer in self.found if isinstance(layer, RecurrentLayer)]

    @property
    def names(self) -> list[str]:
        """The names of all its layers."""
        return [layer.name for layer in self.found]

    @property
    def by_names(self) -> bool:
        """Whether the names of a live model's weights alone tell what its layers are."""
        is_torch = self.model is not None and framework_of(self.model) is torch_module
        return is_torch and not torch_module.recurrent(self.model)

    def left_out(self) -> list[str]:
        """A note on each layer that cannot be read."""
        return [f"{self.name}: left out, {printable(layer.reason)}" for layer in unread(self.found)]

    def ways(self, layer: RecurrentLayer | None, name: str | None) -> Iterator[Way]:
        """The ways to ask its layer of that name; `layer` is run where there is no live model."""
        if self.model is not None:
            yield from ways(self.model, name)
        elif layer is not None:
            yield from (way for backend in self.backends if (way := run_by(backend, layer)))


def endpoint(given: Any) -> Endpoint:
    """The endpoint that was given: a file's path, package.module:attribute, a layer, or a live model.

    Raises InvalidModel.
    """
    if isinstance(given, RecurrentLayer):
        return Endpoint(given.name, (given,))
    if isinstance(given, (str, Path)):
        if not str(given).endswith(tuple(FORMATS)) and ":" in str(given) and not Path(given).exists():
            return of_model(imported(str(given)), str(given))
        return of_file(Path(given))
    return of_model(given, name_of(given))


def of_file(path: Path) -> Endpoint:
    """A model file, whose layers its format's backend runs, and NumPy's what that cannot."""
    file = file_of(path)
    kind, found = format_of(file), tuple(found_in(path))
    backends = tuple(dict.fromkeys((kind.backend, "numpy")))
    around = kind.around is not None and kind.around(file)
    return Endpoint(printable(path.name), found, backends=backends, around=around)


def of_model(model: Any, name: str) -> Endpoint:
    """The endpoint of a live model, or of a layer. Raises InvalidModel for anything else."""
    if isinstance(model, RecurrentLayer):
        return Endpoint(name, (model,))
    if not is_live(model):
        needs = "a file, a torch.nn.Module, a Keras layer or model, or a function"
        raise InvalidModel(f"{name} is a {name_of(type(model))}, needs {needs}")
    return Endpoint(name, tuple(found_live(model)), model)


def imported(name: str) -> Any:
    """The object that package.module:attribute names, or what it returns where it needs no arguments."""
    module, _, attribute = name.partition(":")
    try:
        with foreign_code():
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
            is_builder = inspect.isroutine(found) or inspect.isclass(found)
            return found() if is_builder and not required(found) else found
    except Exception as error:  # the model's, whatever it is
        raise InvalidModel(f"{name}: {with_type(error)}") from error


def name_of(model: Any) -> str:
    """The name of a live model, or of its class."""
    return printable(getattr(model, "__name__", None) or type(model).__name__)


def run_by(backend: str, layer: RecurrentLayer) -> Way | None:
    """The way to ask a layer that a backend runs; None where the backend is not installed."""
    try:
        adapter = load(backend)
    except UnknownBackend:
        return None

    def call(case: Case) -> list[Array]:
        given = {name: getattr(case, name) for name in ("initial_state", "initial_cell_state")}
        own = {name: state.astype(layer.dtype) for name, state in given.items() if state is not None}
        shown = replace(layer, return_sequences=case.return_sequences)
        trace = adapter.run(shown.case(case.inputs.astype(layer.dtype), lengths=case.lengths, **own))
        outputs = trace.outputs
        if layer.outputs_reversed and case.return_sequences:
            outputs = outputs[:, ::-1]
        return [outputs, *trace.states]

    name = f"{backend} {adapter.facts.version}"
    takes = frozenset({INITIAL_STATE, LENGTHS})

    def wider() -> Way | None:
        wide = in_dtype(layer, np.dtype(np.float64))
        return None if wide is layer else run_by(backend, wide)

    return Way(name, call, lambda: adapter.facts, takes, bare=True, wider=wider)
