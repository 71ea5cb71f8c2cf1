"""Whole models that are callables of JAX: functions, and modules of Flax, Equinox and Haiku.

They are asked by calling them. What is inside is seen in the program that JAX traces of them.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.backends.registry import load
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN, stated
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.whole.function import FunctionModel
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.jax_forms import Form, forms_of, is_module
from rnn_lockstep.adapters.port.whole.jax_layers import Structure, Watcher
from rnn_lockstep.adapters.port.whole.jax_program import Cast, Program
from rnn_lockstep.adapters.port.whole.jax_trees import named_arrays
from rnn_lockstep.adapters.port.whole.jax_weights import named_layers
from rnn_lockstep.adapters.port.whole.model import Emitted, Inner, Recorder, Run, arrays_in
from rnn_lockstep.reference.oracle.validation import Array

SAME = 1e-5  # of the largest magnitude: what a program that is run by equations may be off


class Traced:
    """The programs of a function, by the sizes of what it is given, and the structure that all of them have.

    model: what the function is made of.
    names: of the recurrent layers that are called.  layers: those of them that can be read.
    """

    def __init__(self, function: Callable[..., Any], model: Any) -> None:
        self.function, self.model = function, model
        self.programs: dict[Any, Program] = {}
        self.structure: Structure | None = None
        self.names: list[str] = []
        self.layers: dict[str, RecurrentLayer] = {}

    def run(
        self,
        arrays: Sequence[Array],
        named: Mapping[str, Array],
        lengths: Array | None,
        emitted: Emitted,
        cast: Cast,
    ) -> Run:
        """The answer to arrays, by equations. Raises what it raises where it cannot be traced or run."""
        import jax

        given, more = ([jax.numpy.asarray(a) for a in each] for each in (arrays, named.values()))
        key = tuple((a.shape, str(a.dtype)) for a in (*given, *more))
        with foreign_code():
            if key not in self.programs:
                listed = lambda *a, **n: list(arrays_in(self.function(*a, **n)))  # noqa: E731
                self.programs[key] = Program(listed, given, dict(zip(named, more, strict=True)))
            watcher = Watcher(self.structure, Recorder(emitted), lengths)
            outputs = self.programs[key].run([*given, *more], watcher, cast)
        calls = watcher.calls(self.names)
        told_apart = any(call.inputs.shape[1] > 1 for call in calls)  # the directions of a layer
        if self.structure is None and watcher.structure is not None and told_apart:
            self.structure = watcher.structure
            self.names, self.layers = named_layers(self.model, self.structure, watcher.scans, calls)
            calls = watcher.calls(self.names)
        return Run(tuple(outputs), tuple(calls))


class JaxModel:
    """A callable of JAX as a whole model. What is none, or cannot be traced, is asked and not looked into.

    The first example is asked of the callable itself, as often as it comes; where the program that is traced
    of it answers the same, that is asked the others.
    """

    inputs: tuple[Input, ...] = ()
    layers: Mapping[str, RecurrentLayer] = {}
    unread: Mapping[str, str] = {}

    def __init__(self, model: Any) -> None:
        self.model, self.forms, self.own_facts = model, forms_of(model), stated(model)
        self.form: Form | None = None
        self.asked: FunctionModel | None = None
        self.traced: Traced | None = None
        self.first: Example | None = None
        self.cast = Cast()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of how it is asked."""
        return (self.form.remark,) if self.form is not None and self.form.remark else ()

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example. Raises InvalidModel where it answers in no way."""
        if self.traced is not None and (self.cast.changes or emitted or self.first is not example):
            return self.run_traced(self.traced, example, emitted or {})
        own, self.first = self.run_asked(example), example
        if self.traced is None:
            return own
        try:
            seen = self.run_traced(self.traced, example, {})
        except Exception:  # of what cannot be traced, anything
            self.traced = None
            return own
        if not is_same(own.outputs, seen.outputs):
            self.traced = None
            return own
        return seen

    def run_asked(self, example: Example) -> Run:
        """Its answer as it is called by everyone, in the first way that it takes."""
        if self.asked is not None:
            return self.asked.run(example)
        import jax

        failed: InvalidModel | None = None
        for form in self.forms:
            model = FunctionModel(form.function)
            if is_module(self.model):
                model.convert = jax.numpy.asarray
            try:
                run = model.run(example)
            except InvalidModel as error:
                failed = failed or error
                continue
            self.form, self.asked = form, model
            self.traced = Traced(form.traced, self.model) if model.framework in ("jax", "jaxlib") else None
            return run
        assert failed is not None
        raise failed

    def run_traced(self, traced: Traced, example: Example, emitted: Emitted) -> Run:
        """Its answer by the equations of its program."""
        assert self.asked is not None
        named = self.asked.named(example)
        run = traced.run(example.arrays, named, example.lengths, emitted, self.cast)
        self.layers = traced.layers
        return run

    def again(self, example: Example) -> Run:
        """The outputs for an example: it keeps nothing of what was asked before."""
        return self.run(example)

    def in_float(self, bits: int) -> "JaxModel | FunctionModel":
        """The same program in float32 or float64. Raises InvalidModel where there is none."""
        if self.asked is None or self.traced is None:
            return (self.asked or FunctionModel(self.forms[0].function)).in_float(bits)
        made = copy(self)
        made.cast = Cast(*(("float32", "float64") if bits == 64 else ("float64", "float32")))
        return made

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """None: a program has no layers but those which are scans."""
        return ()

    def behind(self, example: Example, call: int | None, tensor: int) -> None:
        """None: no layers are seen."""

    def parameters(self) -> Mapping[str, Array]:
        """The arrays that it holds beside those of its recurrent layers, by the way to them."""
        found = dict(named_arrays(self.model))
        own = tuple(f".{layer}{end}" for layer in self.layers for end in "./")
        return {name: array for name, array in found.items() if not any(o in f".{name}" for o in own)}

    def alone(self, layer: str) -> Any:
        """Raise InvalidModel: a layer of a program is no model of its own."""
        raise InvalidModel(f"layer {layer} of a program cannot be asked alone")

    def facts(self) -> Facts:
        """The facts that it states, or JAX's, or what is known of any arithmetic."""
        if self.own_facts is not None:
            return self.own_facts
        return UNKNOWN if self.traced is None else load("jax").facts


def is_same(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Tell whether two answers are the same but for rounding."""
    return len(one) == len(other) and all(
        a.shape == b.shape and np.abs(a - b).max(initial=0) <= SAME * np.abs(b).max(initial=0)
        for a, b in zip(*(map(np.float64, each) for each in (one, other)), strict=True)
    )
