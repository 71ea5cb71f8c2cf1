"""Conformance vectors: what any backend should answer, whatever else one did."""

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents, load
from rnn_lockstep.adapters.backends.compare import judge_gradients
from rnn_lockstep.tests.harness.conformance_vectors import vector_of
from rnn_lockstep.tests.harness.failure import Failure

CASE = Case(*(np.full(shape, 0.25) for shape in [(1, 2, 2), (2, 2), (2, 2), (2,)]))


def test_what_was_not_asked_for_is_no_part_of_a_vector():
    adapter, cotangents = load("numpy"), Cotangents(outputs=np.ones((1, 2, 2)))
    answer = {**adapter.gradients(CASE, cotangents), "more": 3}
    verdict = judge_gradients(adapter, CASE, cotangents, answer)
    vector = vector_of(Failure("numpy", adapter, verdict, answer, cotangents=cotangents))
    assert vector.expected.keys() == {f"gradients.{name}" for name in CASE.arrays()}
