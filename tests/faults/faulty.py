"""Faults: a correct NumPy backend and one deliberate bug."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents, Facts, Refused, Trace
from rnn_lockstep.adapters.backends.contract import CELLS, EVERYTHING
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.diagnosis.mistakes.gradients import GradientMistake
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake
from rnn_lockstep.reference.diagnosis.mistakes.mistake import answer as answer_of
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.cells import State
from rnn_lockstep.reference.oracle.engine import PLAIN
from rnn_lockstep.reference.oracle.gradients import gradients_in
from rnn_lockstep.reference.oracle.layer import unroll

Array = np.ndarray
Memory = dict[Any, Any]
Gradients = dict[str, Array]
Step = Callable[[int, Array, Array, Case], Array]
CellStep = Callable[[Array, State], State]


@dataclass
class Faulty:
    """Backend with a fault. `memory` holds what it keeps between calls, and should not."""

    fault: "Fault"
    memory: Memory = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        can = {"dtypes": DTYPES} if self.fault.simple else {**EVERYTHING, "cells": self.fault.cells}
        own = NumpyAdapter.facts  # the functions are NumPy's
        typical = {"tanh_typical": own.tanh_typical, "sigmoid_typical": own.sigmoid_typical}
        return Facts(self.fault.name, compiles=self.fault.compiles, **can, **typical)

    def run(self, case: Case) -> Trace:
        remembered = (self.memory,) if self.fault.remembers else ()
        return self.fault.answer(case, *remembered) if self.fault.answer else run_cell(case)

    def gradients(self, case: Case, cotangents: Cotangents) -> Gradients:
        remembered = (self.memory,) if self.fault.remembers else ()
        wrong = self.fault.gradients
        return wrong(case, cotangents, *remembered) if wrong else right_gradients(case, cotangents)


@dataclass(frozen=True)
class Fault:
    """Deliberate bug, of the answers or of the gradients. Calling it makes a backend that has it.

    simple: it is one of a single simple RNN with one bias, and declares no more.
    explained: what a diagnosis must say, where it can tell.
    compiles: it declares that new forms of a layer cost it much, so that it is asked fewer.
    """

    name: str
    family: str
    cells: tuple[str, ...]
    remembers: bool
    answer: Callable[..., Trace] | None = None
    gradients: Callable[..., Gradients] | None = None
    simple: bool = False
    explained: str = ""
    compiles: bool = False

    def __call__(self) -> Faulty:
        return Faulty(self)


def fault(
    family: str, *, cell: str = "simple_rnn", remembers: bool = False, explained: str = ""
) -> Callable[[Callable[..., Trace]], Fault]:
    """Make a fault of `answer(case)`, or of `answer(case, memory)` for one that remembers."""
    return lambda answer: Fault(
        answer.__name__, family, (cell,), remembers, answer=answer, explained=explained
    )


def simple_fault(
    family: str, *, remembers: bool = False, explained: str = ""
) -> Callable[[Callable[..., Trace]], Fault]:
    """Make a fault of `answer(case)`, or with `memory`, of a single simple RNN with one bias."""
    return lambda answer: Fault(
        answer.__name__, family, ("simple_rnn",), remembers, answer=answer, simple=True, explained=explained
    )


def planted(
    name: str,
    family: str,
    mistake: Mistake,
    *,
    cells: tuple[str, ...] = CELLS,
    among: Callable[[Case], bool] = lambda case: True,
) -> Fault:
    """Make a fault of a known mistake: of some of the cells it can be made with, in some cases."""

    def answer(case: Case) -> Trace:
        if not among(case):
            return run_cell(case)
        try:
            with np.errstate(all="ignore"):
                trace = answer_of([mistake], case, PLAIN)
        except ValueError:  # the mistake cannot be made with such a case
            return run_cell(case)
        arrays = (np.asarray(array).astype(case.dtype) for array in (trace.outputs, *trace.states))
        return Trace(*arrays)

    cells = tuple(cell for cell in mistake.cells if cell in cells)
    return Fault(name, family, cells, False, answer=answer, explained=mistake.description)


def gradient_fault(
    family: str = "gradients", *, cell: str = "simple_rnn", remembers: bool = False
) -> Callable[[Callable[..., Gradients]], Fault]:
    """Make a fault of `gradients(case, cotangents)`, or of one with `memory` that remembers."""
    return lambda wrong: Fault(wrong.__name__, family, (cell,), remembers, gradients=wrong)


def planted_gradients(name: str, mistake: GradientMistake) -> Fault:
    """Make a fault of a known mistake, of all cells it can be made with."""

    def wrong(case: Case, cotangents: Cotangents) -> Gradients:
        found = mistake.answer(case, cotangents, right_gradients)
        return {name: g.astype(case.dtype) for name, g in found.items()}

    cells = tuple(mistake.cells)
    return Fault(name, "gradients", cells, False, gradients=wrong, explained=mistake.description)


def right_gradients(case: Case, cotangents: Cotangents) -> Gradients:
    """Propagate back through time in the case's dtype."""
    found = gradients_in(lambda array: array, case, cotangents)
    return {name: found[name] for name in case.arrays()}


def right_step(t: int, x: Array, h: Array, c: Case) -> Array:
    """Take a correct step of a simple RNN with one bias."""
    return ACTIVATIONS[c.activation](x @ c.W.T + h @ c.U.T + c.b)


def run(case: Case, step: Step = right_step) -> Trace:
    """Loop over time, rightly, around a step of a simple RNN, which knows its time."""
    if case.b is None or case.recurrent_b is not None or case.padded or case.reverse:
        raise Refused("has one bias, no padding and runs forwards")
    need_one_cell(case)
    h = case.h0
    outputs = np.empty((case.batch, case.time, case.hidden_size), case.dtype)
    for t in range(case.time):
        h = step(t, case.inputs[:, t], h, case).astype(case.dtype, copy=False)
        outputs[:, t] = h
    return Trace(outputs, h.copy())


def run_cell(case: Case, step: CellStep | None = None) -> Trace:
    """Loop over time, rightly, around a step of any cell: `step(x_t, state)` gives the next state.

    Without a step, run the correct layers, of which only the last shows its outputs.
    """
    if step is None:
        return opaque(run_layers(case))
    need_one_cell(case)
    valid = case.valid if case.padded else None
    outputs, state = unroll(
        lambda t, x_t, state: step(x_t, state), case.inputs, case.start, valid, case.reverse
    )
    return Trace(outputs, *(array.astype(case.dtype) for array in state))


def run_layers(case: Case, run: Callable[[Direction, Any], tuple[Any, State]] | None = None) -> Trace:
    """Run the layers and store in the case's dtype, since NumPy computes bfloat16 in float32."""

    def stored(array: Array | None) -> Array | None:
        return None if array is None else array.astype(case.dtype)

    trace = PLAIN.answer(
        case, run_direction=run and (lambda right, direction, inputs: run(direction, inputs))
    )
    answers = map(stored, (trace.outputs, trace.final_state, trace.final_cell_state))
    return Trace(*answers, hidden_outputs=tuple(map(stored, trace.hidden_outputs)))


def run_direction(case: Case, direction: Direction, inputs: Any) -> tuple[Any, State]:
    """The outputs and final state of one direction, rightly run."""
    ran = PLAIN.run(case, direction, inputs)
    return ran.outputs, ran.final


def opaque(trace: Trace) -> Trace:
    """Hide the outputs of all layers but the last."""
    return replace(trace, hidden_outputs=())


def need_one_cell(case: Case) -> None:
    if case.more_weights or not case.return_sequences:
        raise Refused("has one cell and returns all its outputs")


def to_bits(array: Array, bits: int) -> Array:
    """Round an array's significands to `bits` bits, in its own dtype."""
    fraction, exponent = np.frexp(array)
    return np.ldexp(np.round(fraction * 2.0**bits) / 2.0**bits, exponent).astype(array.dtype)
