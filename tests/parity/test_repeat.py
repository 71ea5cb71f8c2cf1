"""A backend has no memory between calls and leaves its arguments alone."""

from dataclasses import replace

import numpy as np
from hypothesis import given

from adapters import Case, Trace
from tests.backend import Backend
from tests.strategies import cases, fewer


def same_bits(a: Trace, b: Trace) -> bool:
    return a.outputs.tobytes() == b.outputs.tobytes() and a.final_state.tobytes() == b.final_state.tobytes()


@fewer(4)
@given(case=cases())
def test_same_case_twice_gives_the_same_bits(backend: Backend, case: Case) -> None:
    first = backend.check(case)
    second = backend.check(case, claim="the second call")
    assert same_bits(first, second), (
        f"{backend.name} answers the same case differently the second time: {case}"
    )


@fewer(4)
@given(case=cases())
def test_other_weights_in_the_same_layer(backend: Backend, case: Case) -> None:
    """New weights, inputs and state reach a layer of the same sizes; earlier answers stay as they were."""
    other = replace(
        case,
        inputs=-case.inputs[:, ::-1].copy(),
        W=case.W[::-1].copy() / 2,
        U=-case.U[::-1].copy() / 2,
        b=case.b[::-1] + np.array(0.25, case.dtype),
        initial_state=None,
    )
    first = backend.check(case)
    kept = Trace(first.outputs.copy(), first.final_state.copy())
    backend.check(other, claim="other weights in the same layer")
    assert same_bits(first, kept), f"{backend.name} overwrote its answer to an earlier case: {case}"
    again = backend.check(case, claim="the first weights again")
    assert same_bits(first, again), f"{backend.name} remembers the case between: {case}"


@fewer(4)
@given(case=cases())
def test_arguments_are_left_alone(backend: Backend, case: Case) -> None:
    before = {name: array.copy() for name, array in case.arrays().items()}
    trace = backend.run(case)
    for name, array in case.arrays().items():
        assert array.tobytes() == before[name].tobytes(), (
            f"{backend.name} changed the {name} it was given: {case}"
        )
        for answer in (trace.outputs, trace.final_state):
            assert not np.may_share_memory(answer, array), f"{backend.name} returns its {name}: {case}"
    backend.check(case, trace)
