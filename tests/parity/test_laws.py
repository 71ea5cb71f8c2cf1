"""Laws of a simple RNN: another way of running a case must give an answer that is right for the case.

Each law puts an answer together from other runs and has it judged step by step against the case, so no
two runs are ever compared with a tolerance.
"""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters import Case, Trace
from tests.backend import Backend
from tests.strategies import SHAPES, cases, fewer


@fewer(4)
@given(case=cases())
def test_omitted_state_is_zeros(backend: Backend, case: Case) -> None:
    omitted = replace(case, initial_state=None)
    zeros = replace(case, initial_state=np.zeros_like(case.h0))
    backend.check(zeros, backend.run(omitted), claim="an omitted initial state is zeros")
    backend.check(omitted, backend.run(zeros), claim="zeros are an omitted initial state")


@fewer(4)
@given(case=cases())
def test_batch_is_its_rows(backend: Backend, case: Case) -> None:
    rows = [
        backend.run(replace(case, inputs=case.inputs[i : i + 1], initial_state=case.h0[i : i + 1]))
        for i in range(min(case.batch, 3))
    ]
    joined = Trace(*(np.concatenate(parts) for parts in zip(*(vars(r).values() for r in rows), strict=True)))
    head = replace(case, inputs=case.inputs[: len(rows)], initial_state=case.h0[: len(rows)])
    backend.check(head, joined, claim="a batch is its rows run one by one")


@fewer(4)
@given(case=cases(shapes=[shape for shape in SHAPES if shape[1] > 1]))
def test_split_sequence_is_the_whole(backend: Backend, case: Case) -> None:
    """The final state carries everything: stopping half-way and going on changes nothing."""
    half = case.time // 2
    first = backend.run(replace(case, inputs=case.inputs[:, :half]))
    second = backend.run(replace(case, inputs=case.inputs[:, half:], initial_state=first.final_state))
    whole = Trace(np.concatenate([first.outputs, second.outputs], axis=1), second.final_state)
    backend.check(case, whole, claim=f"a sequence is its parts, split at {half}, with the state carried over")


@fewer(4)
@given(case=cases(), data=st.data())
def test_units_have_no_order(backend: Backend, case: Case, data: st.DataObject) -> None:
    """Renumbering the hidden units renumbers the outputs."""
    order = np.array(data.draw(st.permutations(range(case.hidden_size)), label="order"))
    renumbered = backend.run(
        replace(
            case,
            W=case.W[order],
            U=case.U[order][:, order],
            b=case.b[order],
            initial_state=case.h0[:, order],
        )
    )
    back = np.argsort(order)
    trace = Trace(renumbered.outputs[..., back], renumbered.final_state[..., back])
    backend.check(case, trace, claim="renumbered units give renumbered outputs")
