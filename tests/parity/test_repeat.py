"""Repeated calls: a backend has no memory between calls and leaves its arguments alone."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Trace
from rnn_lockstep.reference import Weights
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import fewer


def same_bits(a: Trace, b: Trace) -> bool:
    """Tell whether two answers are the same, bit by bit."""
    return [array.tobytes() for array in a.arrays().values()] == [
        array.tobytes() for array in b.arrays().values()
    ]


@fewer(2)
@given(data=st.data())
def test_same_case_twice_gives_the_same_bits(backend: Backend, cell: str, data: st.DataObject) -> None:
    case, known = data.draw(backend.any_cases(cell)), backend.known
    first = backend.check(case)
    second = backend.check(case, claim="the second call")
    assume(backend.known == known)  # an answer that is wrong, as is known, may be what was in memory
    alike = backend.adapter.facts.varies or same_bits(first, second)
    assert alike, f"{backend.name} answers the same case differently the second time"


@fewer(2)
@given(data=st.data())
def test_other_weights_in_the_same_layer(backend: Backend, cell: str, data: st.DataObject) -> None:
    """New weights, inputs and state reach a layer of the same sizes; earlier answers stay as they were."""
    case = data.draw(backend.any_cases(cell))
    first, *more = (
        Weights(*(None if w is None else w[::-1].copy() / 2 for w in weights))
        for weights in (case.weights, *case.more_weights)
    )
    other = replace(
        case,
        inputs=-case.inputs,
        initial_state=None,
        initial_cell_state=None,
        **first._asdict(),
        more_weights=tuple(more),
    )
    known = backend.known
    answer = backend.check(case)
    kept = deepcopy(answer)
    backend.check(other, claim="other weights in the same layer")
    assert same_bits(answer, kept), f"{backend.name} overwrote its answer to an earlier case"
    backend.check_conduct()
    again = backend.check(case, claim="the first weights again")
    assume(backend.known == known)  # an answer that is wrong, as is known, may be what was in memory
    alike = backend.adapter.facts.varies or same_bits(answer, again)
    assert alike, f"{backend.name} remembers the case between"


@fewer(2)
@given(data=st.data())
def test_arguments_are_left_alone(backend: Backend, cell: str, data: st.DataObject) -> None:
    case = data.draw(backend.any_cases(cell))
    trace = backend.run(case)
    backend.check_conduct()
    backend.check(case, trace)
