"""The examination asks a backend again: afresh, with probes, with and without a state."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.adapters.backends.examination import examine
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from rnn_lockstep.reference.diagnosis.probe import of_sizes
from rnn_lockstep.reference.oracle.time_limit import time_left, time_limit
from tests.faults.catalogue import FAULTS
from tests.unit.adapters.test_contract import make_case

PEEPHOLES = Case(
    np.zeros((2, 4, 3)),
    *(np.zeros(shape) for shape in ((16, 3), (16, 4), 16)),
    np.zeros((2, 4)),
    cell="peephole_lstm",
    peepholes=np.zeros(12),
    initial_cell_state=np.zeros((2, 4)),
    reverse=True,
)


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


class MultipliesPadding:
    """A backend whose outputs have zero times all inputs added, so that NaN in the padding shows."""

    facts = load("numpy").facts

    def run(self, case: Case):
        trace = load("numpy").run(case)
        return replace(trace, outputs=trace.outputs + 0 * case.inputs.sum())


def test_padding_that_reaches_the_answer_is_told():
    case = make_case(batch=2, time=4)
    case = replace(case, lengths=np.array([4, 2]))
    case = replace(case, inputs=np.where(case.valid[..., None], case.inputs, np.nan).astype(case.dtype))
    backend = MultipliesPadding()
    trace = run(backend, case)
    found = examine(MultipliesPadding, backend, judge(backend, case, trace), trace)
    assert found.cause.startswith(
        "what is in the padding reaches the answer: it is wrong with NaN there, and"
    )


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
    assert sum(call.endswith(" s") for call in old) == old.count("run") - 1 > 4


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


class Ignores:
    """A backend that leaves out of a case what is named."""

    facts = load("numpy").facts

    def __init__(self, **left_out):
        self.left_out = left_out

    def run(self, case: Case):
        inputs = np.nan_to_num(case.inputs, nan=9.0)  # a case cannot have NaN where it counts
        return load("numpy").run(replace(case, inputs=inputs, **self.left_out))


@pytest.mark.parametrize(
    ("name", "value"),
    [("lengths", np.array([4, 2])), ("mask", np.array([[True] * 4, [False, True] * 2]))],
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_is_ignored_is_said(name, value, empty):
    """Also where no number of the case but its biases would show it."""
    case = replace(make_case(batch=2, time=4), **{name: value})
    case = replace(case, W=0 * case.W, U=0 * case.U) if empty else case

    def make():
        return Ignores(**{name: None})

    trace = make().run(case)
    found = examine(make, make(), judge(make(), case, trace), trace)
    assert found.cause.startswith(f"it ignores {name}: with and without, its answers are the same bits")


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("initial_state_ignored", "initial_state"),
        ("reverse_ignored", "reverse"),
        ("peepholes_dropped", "peepholes"),
        ("clip_ignored", "clip"),
        ("lstm_input_forget_ignored", "input_forget"),
    ],
)
def test_what_is_ignored_is_said_beside_the_mistake(name, feature):
    case = of_sizes(PEEPHOLES, seed=0, batch=2, time=4)
    if (option := {"clip": 0.5, "input_forget": True}.get(feature)) is not None:
        case = replace(case, **{feature: option})
    assert examined(name, case).cause == f"it ignores {feature}: {MISTAKES[name].description}"


@pytest.mark.parametrize("limit", [0.25, 1.0])
def test_a_clip_at_another_limit_is_said_with_it(limit):
    """A larger one too: sums are looked for that the case's own clip would have taken away."""

    class Limited:
        facts = load("numpy").facts

        def run(self, case):
            return load("numpy").run(replace(case, clip=limit) if case.clip else case)

    case = replace(of_sizes(PEEPHOLES, seed=0, batch=3, time=6), cell="lstm", peepholes=None, clip=0.5)
    trace = Limited().run(case)
    found = examine(Limited, Limited(), judge(Limited(), case, trace), trace)
    assert found.cause == f"judging by the steps, the sums before the activation are clipped at {limit:g}"


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


def with_late_answer(case):
    """The answer whose last step is there after the return only, and a function that puts it there."""
    trace = load("numpy").run(case)
    last = trace.outputs[:, -1].copy()
    trace.outputs[:, -1] = 0

    def arrive():
        trace.outputs[:, -1] = last

    return trace, arrive


def test_an_answer_that_has_become_right_is_told_as_such():
    class Late:
        facts = load("numpy").facts

        def run(self, case: Case):
            return with_late_answer(case)[0]

    case = make_case()
    trace, arrive = with_late_answer(case)
    verdict = judge(Late(), case, trace)
    arrive()
    assert examine(Late, Late(), verdict, trace).cause == (
        "the answer was wrong when it came, and is right by now: something writes to it later"
    )


def test_what_is_wrong_in_a_layout_only_is_said():
    class Strided:
        """A backend that reads a strided array as if it were contiguous."""

        facts = load("numpy").facts

        def run(self, case: Case):
            W = case.W if case.W.flags.c_contiguous else case.W[::-1].copy()
            return load("numpy").run(replace(case, W=W))

    case = make_case()
    case = replace(case, W=np.asfortranarray(case.W))
    trace = Strided().run(case)
    found = examine(Strided, Strided(), judge(Strided(), case, trace), trace)
    assert found.cause == (
        "it is wrong only where arrays are not contiguous in memory: strided, or in Fortran order"
    )


def test_a_mistake_of_one_case_alone_is_no_cause():
    """A backend that drops the bias where one number is exactly 0.5: nothing else shows why."""

    class Odd:
        facts = load("numpy").facts

        def run(self, case: Case):
            odd = case.time and case.inputs[0, 0, 0] == 0.5
            return load("numpy").run(replace(case, b=0 * case.b) if odd else case)

    case = make_case()
    inputs = case.inputs.copy()
    inputs[0, 0, 0] = 0.5
    case = replace(case, inputs=inputs)
    trace = Odd().run(case)
    found = examine(Odd, Odd(), judge(Odd(), case, trace), trace)
    assert found.cause.startswith(
        "no cause is known: it is wrong in this case, and right in others like it: "
    )


def test_a_mistake_at_some_sizes_only_says_so():
    class Even:
        facts = load("numpy").facts

        def run(self, case: Case):
            return load("numpy").run(replace(case, b=2 * case.b) if case.time == 3 else case)

    case = make_case(time=3)
    trace = Even().run(case)
    found = examine(Even, Even(), judge(Even(), case, trace), trace)
    assert found.cause.startswith("b is added twice, where time is 3")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("w_dropped", "W·x is missing: no step sees its input"),
        ("lengths_ignored", "the padding is not known as such: every step counts"),
        ("initial_state_ignored", "it ignores initial_state: the initial state is ignored"),
    ],
)
def test_a_half_type_is_examined_to_the_end(name, cause, dtype):
    """NaN in padding is replaced, and other cases drawn, in a dtype that NumPy does not know by itself."""
    case = make_case(batch=2, time=4)
    arrays = {key: array.astype(dtype) for key, array in case.arrays().items()}
    arrays["inputs"][1, 2:] = np.nan
    case = replace(case, **arrays, lengths=np.array([4, 2]))
    case = replace(case, initial_state=np.full(case.state_shape, 0.9).astype(dtype))
    assert examined(name, case).cause == cause
