"""Stacks: several layers, two directions, the last output only."""

from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.cells import Options
from rnn_lockstep.reference.oracle.engine import PLAIN, OtherRun, RightRun
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer
from rnn_lockstep.tests.harness.needs import EXACT, SEVERAL, needs


@needs(SEVERAL, EXACT)
@given(data=st.data())
def test_layers_and_directions(backend: Backend, cell: str, data: st.DataObject) -> None:
    backend.check(data.draw(backend.cases(cell, "stacked", variants="stacked", pairs=False)))


@needs(SEVERAL, EXACT)
@fewer(4)
@given(data=st.data())
def test_empty_and_single_stacks(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Shapes of length 0 and 1; where every new shape costs a backend much, those of the test above."""
    shapes = "stacked" if backend.adapter.facts.compiles else "empty and single"
    backend.check(data.draw(backend.cases(cell, shapes, variants="stacked", pairs=False)))


@needs("last outputs", EXACT)
@fewer(4)
@given(data=st.data())
def test_last_output(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Single layers that return the last step that counts of each row, and zeros where none does."""
    options = {"variants": "last output", "padded": True, "backwards": True, "dtypes": ("float64",)}
    backend.check(data.draw(backend.cases(cell, "several steps", **options)))


@needs(SEVERAL, EXACT, "reverse")  # a direction by itself is a layer in reverse
@fewer(8)
@given(data=st.data())
def test_stack_is_its_cells(backend: Backend, data: st.DataObject) -> None:
    """Layers and directions that are run one by one are together the stack."""
    cell, known = backend.adapter.facts.cells[0], backend.known  # the simplest cell
    case = data.draw(backend.stacks(cell))
    with np.errstate(all="ignore"):
        cells = PLAIN.answer(case, run_direction=one_by_one(backend, case))
    assume(backend.known == known)  # of parts that are wrong, as is known, nothing follows
    backend.check(case, cells, claim="a stack is its layers and directions run one by one")


def one_by_one(backend: Backend, case: Case) -> OtherRun:
    """Make the function that has a backend run one cell of a case, given the inputs of its layer."""

    def run(_: RightRun, direction: Direction, inputs: Any) -> tuple[Any, Any]:
        assume(np.isfinite(inputs[case.valid]).all())  # the layers below have not overflowed
        weights = direction.weights._asdict()
        start = dict(zip(("initial_state", "initial_cell_state"), direction.start, strict=False))
        options = {name: getattr(case, name) for name in ("cell", "lengths", "mask", *Options._fields)}
        trace = backend.check(Case(inputs, **weights, **start, **options, reverse=direction.reverse))
        return trace.outputs, trace.states

    return run
