"""The check of an answer: is every step what the formula makes of the backend's own previous state?

Each step is predicted from the observed previous state, so errors do not compound: the check is as
sharp at step 1000 as at step 1, and it is one evaluation over (batch, time), not a loop. When the
initial state is right and every step holds, the whole sequence is right, by induction.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.check.comparison import Comparison, comparison
from rnn_lockstep.reference.check.forms import STATES, WrongForm, trace_in_form
from rnn_lockstep.reference.check.verdict import Verdict, verdict_on
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State
from rnn_lockstep.reference.oracle.engine import Engine, Run, carried, merge
from rnn_lockstep.reference.oracle.gradients import zero_on_padding
from rnn_lockstep.reference.oracle.shown import Reading, Shown, states_before, with_error
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array


def check(case: Case, trace: Trace, arithmetic: Arithmetic, *, unobserved: Collection[str] = ()) -> Verdict:
    """Judge `trace`, a backend's answer to `case`.

    arithmetic: of the backend, in the case's dtype.
    unobserved: final states that the trace does not have, "final_state" and "final_cell_state" or the
    latter alone. They are not compared: the verdict says nothing about them.
    Never raises on a wrong trace: wrong types, shapes and dtypes are mismatches too.
    """
    try:
        trace = trace_in_form(case, trace, unobserved)
    except WrongForm as wrong:
        return Verdict(case, "mismatch", str(wrong))
    with np.errstate(all="ignore"):
        comparisons = list(comparisons_of(case, trace, arithmetic))
    return verdict_on(case, comparisons, empty=not any(each.observed.size for each in comparisons))


class Beside(NamedTuple):
    """An array of a trace beside what it should be.

    name: empty for the outputs of the only cell.  observed: of the backend.
    expected: in the arithmetic of an engine, or a plain array where it is a copy of what was observed.
    one_step: each step is predicted from the one before, whose state and inputs have been shown.
    carried: something that was not shown has come from step to step or from layer to layer.
    bounded, reverse: as for `Comparison`.
    twice: of a copy, how far it may be from what it copies; see `computed_twice`.
    """

    name: str
    observed: Array
    expected: Any
    bounded: bool
    carried: bool
    one_step: bool = False
    reverse: bool = False
    twice: Any = 0.0


def comparisons_of(case: Case, trace: Trace, arithmetic: Arithmetic) -> Iterator[Comparison]:
    """Every array of a trace beside what it should be, with the bound on the difference."""
    for each in arrays_beside(case, trace, with_error(arithmetic)):
        yield comparison(
            each.name,
            each.observed,
            each.expected,
            bounded=each.bounded,
            reverse=each.reverse,
            one_step=each.one_step,
            twice=each.twice,
        )


def arrays_beside(case: Case, trace: Trace, reading: Reading) -> Iterator[Beside]:
    """Every array of a trace beside what it should be, in the order in which they are computed.

    Where the outputs of a direction are shown, each of its steps is predicted from the one before; where
    they are not (the lower layers of a stack that shows its last one only, two directions that were added
    up, a layer that returns its last output only) the whole state is carried.
    """
    shown = Shown(case, trace, reading)
    engine = Engine(reading.exact, shown)
    cell = 0
    for k, runs in enumerate(engine.layers(case)):
        outputs, carried = shown.by_layer[k], k > 0 and shown.by_layer[k - 1] is None
        if runs[0].observed is None and outputs is not None:
            merged = zero_on_padding(case, merge(case, [run.outputs for run in runs]))
            name = f"layer {k} outputs" if case.layers > 1 else "outputs"
            yield Beside(name, outputs, merged, case.bounded, carried=True)
        for run in runs:
            yield from of_a_direction(case, run, state_of(trace, cell), carried)
            cell += 1
    if not case.return_sequences:
        yield Beside("outputs", trace.outputs, engine.last_output(case, runs), case.bounded, carried=True)


def of_a_direction(case: Case, run: Run, state: State, carried: bool) -> Iterator[Beside]:
    """The outputs of a direction, if they are shown, and its final `state`, beside what they should be.

    carried: its inputs have not been shown.
    """
    name, reverse = run.direction.name, run.direction.reverse
    if run.observed is not None:
        yield Beside(name, run.observed, run.outputs, case.bounded, carried, one_step=True, reverse=reverse)
    for part, observed, expected in zip(STATES, state, run.final, strict=False):
        bounded = case.bounded and part == "final_state"
        copied = run.observed is not None and part == "final_state"
        own = not copied and (carried or run.observed is None)
        twice = computed_twice(case, run) if copied else 0.0
        yield Beside(f"{name} {part}".strip(), observed, expected, bounded, carried=own, twice=twice)


def computed_twice(case: Case, run: Run) -> Any:
    """How far a final state (batch, H) may be from the output that it is: twice the bound on that step.

    That is 0 but for arithmetic that recomputes; a row without steps keeps its initial state exactly.
    """
    if not isinstance(run.outputs, Rounded) or not run.outputs.arithmetic.recomputes:
        return 0.0
    way = slice(None, None, -1 if run.direction.reverse else 1)
    error = np.broadcast_to(run.outputs.error, run.outputs.shape)[:, way]
    start = np.zeros((case.batch, case.output_size))
    last = states_before(start, error, case.valid[:, way])[:, -1]
    return 2 * np.where(last < np.inf, last, 0.0)


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
