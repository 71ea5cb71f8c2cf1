"""Laws of a recurrent layer: another way of running a case must give an answer that is right for the case.

Each law puts an answer together from other runs and has it judged step by step against the case, so no
two runs are ever compared with a tolerance.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer


def starting_from(case: Case, *state: np.ndarray) -> dict[str, Any]:
    """Give the fields of a case that starts from this state, (h,) or (h, c)."""
    return dict(zip(("initial_state", "initial_cell_state"), state, strict=False))


def rows(case: Case, some: slice) -> Case:
    """Make the case of some rows of another."""
    lengths = None if case.lengths is None else case.lengths[some]
    state = starting_from(case, *(state[some] for state in case.start))
    return replace(case, inputs=case.inputs[some], lengths=lengths, **state)


@fewer(4)
@given(data=st.data())
def test_omitted_state_is_zeros(backend: Backend, cell: str, data: st.DataObject) -> None:
    case = data.draw(backend.cases(cell, "several steps", padded=True, backwards=True))
    omitted = replace(case, initial_state=None, initial_cell_state=None)
    zeros = replace(case, **starting_from(case, *(np.zeros_like(state) for state in case.start)))
    backend.check(zeros, backend.run(omitted), claim="an omitted initial state is zeros")
    backend.check(omitted, backend.run(zeros), claim="zeros are an omitted initial state")


@fewer(4)
@given(data=st.data())
def test_batch_is_its_rows(backend: Backend, cell: str, data: st.DataObject) -> None:
    case = data.draw(backend.cases(cell, "several steps", pairs=False))
    count = min(case.batch, 3)
    runs = [backend.run(rows(case, slice(i, i + 1))) for i in range(count)]
    outputs = np.concatenate([run.outputs for run in runs])
    joined = Trace(
        outputs, *(np.concatenate(states) for states in zip(*(run.states for run in runs), strict=True))
    )
    backend.check(rows(case, slice(count)), joined, claim="a batch is its rows run one by one")


@fewer(4)
@given(data=st.data())
def test_split_sequence_is_the_whole(backend: Backend, cell: str, data: st.DataObject) -> None:
    """The final state carries everything: stopping half-way and going on changes nothing."""
    case = data.draw(backend.cases(cell, "several steps", pairs=False))
    half = case.time // 2
    beginning = replace(case, inputs=case.inputs[:, :half])
    first = backend.run(beginning)
    if not all(np.isfinite(state).all() for state in first.states):
        backend.check(beginning)  # no case begins at such a state
        return
    second = backend.run(replace(case, inputs=case.inputs[:, half:], **starting_from(case, *first.states)))
    whole = Trace(np.concatenate([first.outputs, second.outputs], axis=1), *second.states)
    backend.check(case, whole, claim=f"a sequence is its parts, split at {half}, with the state carried over")


@fewer(4)
@given(data=st.data())
def test_units_have_no_order(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Renumbering the hidden units renumbers the outputs."""
    case = data.draw(backend.cases(cell, "several steps", padded=True, backwards=True))
    order = np.array(data.draw(st.permutations(range(case.hidden_size)), label="order"))
    weights = {
        name: np.concatenate([part[order] for part in np.split(w, len(w) // case.hidden_size)])
        for name, w in case.weights._asdict().items()
        if w is not None
    }
    weights["U"] = weights["U"][:, order]
    state = starting_from(case, *(state[:, order] for state in case.start))
    renumbered = backend.run(replace(case, **weights, **state))
    back = np.argsort(order)
    trace = Trace(renumbered.outputs[..., back], *(state[:, back] for state in renumbered.states))
    backend.check(case, trace, claim="renumbered units give renumbered outputs")
