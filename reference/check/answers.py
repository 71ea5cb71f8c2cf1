"""The check of an answer: is every step what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.check.comparison import Comparison, comparison
from rnn_lockstep.reference.check.verdict import Verdict, verdict_on
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State
from rnn_lockstep.reference.oracle.engine import Engine, Run, carried, merge, with_error
from rnn_lockstep.reference.oracle.gradients import zero_on_padding
from rnn_lockstep.reference.oracle.shown import Shown
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import form

STATES = ("final_state", "final_cell_state")


def check(case: Case, trace: Trace, arithmetic: Arithmetic, *, unobserved: Collection[str] = ()) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    arithmetic: of the backend, in the case's dtype.
    unobserved: final states that the trace does not have, "final_state" and "final_cell_state" or the
    latter alone. They are not compared: the verdict says nothing about them.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    if wrong := _wrong_form(case, trace, unobserved):
        return Verdict(case, "mismatch", wrong)
    with np.errstate(all="ignore"):
        comparisons = list(comparisons_of(case, trace, arithmetic))
    return verdict_on(case, comparisons, empty=not any(each.observed.size for each in comparisons))


def comparisons_of(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Comparison]:
    """Every array of a trace beside what it should be, in the order in which they are computed.

    Where the outputs of a direction are shown, each of its steps is predicted from the one before; where
    they are not (the lower layers of a stack that shows its last one only, two directions that were added
    up, a layer that returns its last output only) the whole state is carried with its error.
    """
    shown = Shown(case, trace, arithmetic)
    engine = Engine(with_error(arithmetic), shown)
    cell = 0
    for k, runs in enumerate(engine.layers(case)):
        outputs = shown.by_layer[k]
        if runs[0].observed is None and outputs is not None:
            merged = zero_on_padding(case, merge(case, [run.outputs for run in runs]))
            name = f"layer {k} outputs" if case.layers > 1 else "outputs"
            yield comparison(name, outputs, merged, bounded=case.bounded)
        for run in runs:
            yield from comparisons_of_run(case, run, state_of(trace, cell))
            cell += 1
    if not case.return_sequences:
        yield comparison("outputs", trace.outputs, engine.last_output(case, runs), bounded=case.bounded)


def comparisons_of_run(case: Case, run: Run, state: State) -> Iterator[Comparison]:
    """The outputs of a direction, if they are shown, and its final `state`, beside what they should be."""
    name, reverse = run.direction.name, run.direction.reverse
    if run.observed is not None:
        yield comparison(
            name, run.observed, run.outputs, bounded=case.bounded, reverse=reverse, one_step=True
        )
    for part, observed, expected in zip(STATES, state, run.final, strict=False):
        bounded = case.bounded and part == "final_state"
        yield comparison(f"{name} {part}".strip(), observed, expected, bounded=bounded)


def state_of(trace: Trace, cell: int) -> State:
    """The final state of one cell, (h,) or (h, c)."""
    return tuple(state if state.ndim == 2 else state[cell] for state in trace.states)


def whole_answer(case: Case, arithmetic: Arithmetic) -> dict[str, Rounded]:
    """The whole answer of any correct backend with this arithmetic: outputs and final states, by name.

    It needs no backend: the state is carried through all steps and layers with its error. That error
    grows, so it says something of short sequences and of weights that let errors fade, and less and less
    of others.
    """
    with np.errstate(all="ignore"):
        answer = carried(arithmetic).answer(case)
        arrays: dict[str, Any] = dict(zip(STATES, answer.states, strict=False))
        whole: Any = answer.outputs
        if case.return_sequences:
            whole = zero_on_padding(case, whole)
        return {name: array.closed() for name, array in ({"outputs": whole} | arrays).items()}


def _wrong_form(case: Case, trace: Any, unobserved: Collection[str]) -> str:
    """The first wrong type, shape or dtype of a trace, in one line; empty when all are right."""
    if not isinstance(trace, Trace):
        return f"the backend returned {type(trace).__name__}, needs a Trace"
    steps = (case.time,) if case.return_sequences else ()
    shapes = {"outputs": (case.batch, *steps, case.features)}
    shapes |= dict(zip(STATES, case.state_shapes, strict=False))
    if "final_cell_state" not in shapes and trace.final_cell_state is not None:
        return f"final_cell_state is {form(trace.final_cell_state)}, needs None: only an LSTM has one"
    if not isinstance(trace.hidden_outputs, tuple):
        return f"hidden_outputs is a {type(trace.hidden_outputs).__name__}, needs a tuple of arrays"
    hidden = len(trace.hidden_outputs)
    if hidden not in (0, case.layers - 1):
        return f"hidden_outputs has {hidden} arrays, needs {case.layers - 1}, one for each layer but the last"
    shapes |= {f"hidden_outputs[{k}]": (case.batch, case.time, case.features) for k in range(hidden)}
    arrays = trace.arrays()
    for name, shape in shapes.items():
        array = arrays.get(name)
        if name in unobserved and array is None:
            continue
        if not isinstance(array, np.ndarray):
            return f"{name} is a {type(array).__name__}, needs a NumPy array"
        if array.shape != shape:
            return f"{name} has shape {array.shape}, needs {shape}{_seen_before(array.shape, shape)}"
        if array.dtype != case.dtype:
            return f"{name} has dtype {array.dtype}, needs {case.dtype}"
    return ""


def _seen_before(shape: tuple[int, ...], needed: tuple[int, ...]) -> str:
    """A hint where a wrong shape is one that layers are known to return."""
    seen = {
        (needed[1], needed[0], *needed[2:]): "the first two axes are swapped",
        (needed[0], needed[-1]): "the last output only",
        (*needed[:-1], 2 * needed[-1]): "two directions side by side",
        (1, *needed): "an axis too many",
        needed[1:]: "the first axis is missing",
    }
    return f": {seen[shape]}" if shape in seen else ""
