"""The examination asks a backend again: afresh, with probes, with and without a state."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.adapters.backends.examination import examine
from rnn_lockstep.reference.oracle.time_limit import time_left, time_limit
from tests.faults.catalogue import FAULTS
from tests.unit.adapters.test_contract import make_case


def examined(name, *cases):
    """The findings about the last of a fault's answers."""
    make = FAULTS[name]
    backend = make()
    for case in cases:
        trace = run(backend, case)
    return examine(make, backend, judge(backend, cases[-1], trace), trace)


def sparse(time=2):
    """A case like the smallest that Hypothesis finds: many mistakes would explain it."""
    case = make_case(batch=1, time=time)
    return replace(case, inputs=0 * case.inputs, W=0 * case.W, U=np.eye(3, k=1, dtype=case.dtype))


def test_probes_tell_mistakes_apart_that_the_case_does_not():
    found = examined("u_transposed", sparse())
    assert found.cause == "U is transposed"


def test_what_is_kept_between_calls_is_told_from_what_is_wrong():
    found = examined("first_bias_kept", make_case(batch=1), make_case(batch=2))
    assert found.cause == "something is kept between calls: a new backend answers the same case rightly"


def test_what_is_random_is_said_to_be():
    case = make_case(input_size=3)
    found = examined("stacks_dropout_left_on", replace(case, more_weights=(case.weights,)))
    assert found.cause == "the same case gives other answers the next time: something is random or kept"


class Supervised:
    """A backend in need of being closed, that can end its own calls, and has what it is asked taken down."""

    facts = load("numpy").facts

    def __init__(self, calls):
        self.calls = calls

    @contextmanager
    def limited(self, seconds):
        self.calls.append(f"{seconds:.0f} s")
        yield

    def run(self, case: Case):
        self.calls.append("run")
        return load("numpy").run(replace(case, U=case.U.T))

    def close(self):
        self.calls.append("close")


def test_what_is_made_anew_is_closed_and_every_call_has_its_time():
    old, new = [], []
    case, backend = make_case(), Supervised(old)
    trace = backend.run(case)
    verdict = judge(backend, case, trace)
    with time_limit(100):
        assert examine(lambda: Supervised(new), backend, verdict, trace).cause == "U is transposed"
    assert new == ["100 s", "run", "close"]
    assert "close" not in old
    assert old.count("100 s") == old.count("run") - 1 > 4


def test_a_call_that_its_time_ends_is_no_failure_of_the_backend():
    class Ends(Supervised):
        def run(self, case: Case):
            while time_left():
                pass
            raise RuntimeError("the time for this call is over")

    case, trace = make_case(), Supervised([]).run(make_case())
    verdict = judge(Ends([]), case, trace)
    with time_limit(0.01):
        found = examine(lambda: Ends([]), Ends([]), verdict, trace)
    assert found.cause.startswith("not diagnosed: 0.01 s were over before the backend had answered more: ")


def test_what_depends_on_the_initial_state_is_said():
    case = replace(make_case(), initial_state=np.full((2, 3), 0.5, np.float32))
    assert examined("initial_state_ignored", case).notes == ("wrong with an initial state only",)
    assert examined("bias_dropped", case).notes == ("wrong with and without an initial state",)


def test_what_depends_on_padding_is_said():
    case = replace(make_case(), lengths=np.array([1, 3]), recurrent_b=np.ones(3, np.float32))
    notes = examined("lengths_ignored", case).notes
    assert "wrong with padding only" in notes


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (1.3, "explains it: right before step 17, wrong there; suspect a size boundary"),
        (1 + 1e-8, "right before step 17, wrong there; suspect a size boundary"),
    ],
)
def test_what_no_mistake_explains_is_said_with_what_can_be_said(factor, cause):
    """A backend of which steps from 17 on are too large."""

    class Late:
        facts = load("numpy").facts

        def run(self, case: Case):
            trace = load("numpy").run(case)
            h, outputs = case.h0, []
            for t in range(case.time):
                h = case.step(case.inputs[:, t], (h,))[0] * (factor if t >= 17 else 1)
                outputs.append(h.astype(case.dtype))
                h = outputs[-1]
            return replace(trace, outputs=np.stack(outputs, axis=1), final_state=h)

    case = make_case(dtype="float64", time=20)
    trace = Late().run(case)
    assert examine(Late, Late(), judge(Late(), case, trace), trace).cause.endswith(cause)
