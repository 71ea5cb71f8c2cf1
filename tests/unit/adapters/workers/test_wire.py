"""Cases and answers come across as they were: every bit, every layout in memory, every form."""

from dataclasses import fields

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnn_lockstep.adapters import Case, Cotangents, Facts, FunctionError, Trace
from rnn_lockstep.adapters.workers import wire
from rnn_lockstep.adapters.workers.wire import (
    packed_answer,
    packed_case,
    packed_facts,
    unpacked_answer,
    unpacked_case,
    unpacked_facts,
)
from rnn_lockstep.tests.harness.drawing.strategies import cotangents, fewer
from tests.unit.adapters.test_contract import make_case
from tests.unit.adapters.test_saved_case import any_case

ROOM = 2**20


def same(a, b):
    """Tell whether two arrays, or two values that are none, are the same, their place in memory apart."""
    if not isinstance(a, np.ndarray):
        return a == b
    looks = [(x.dtype, x.shape, x.tobytes(), x.flags.writeable) for x in (a, b)]
    return looks[0] == looks[1] and (not a.size or a.strides == b.strides)


def views(shape, dtype):
    """Arrays of a shape that lie in memory in every way: turned round, with gaps, repeated, transposed."""
    rng = np.random.default_rng(sum(shape))

    def view(steps, order, repeats, writeable):
        whole = rng.integers(0, 100, [n * abs(step) for n, step in zip(shape, steps, strict=True)])
        whole = np.asarray(whole.astype(dtype), order=order)
        array = whole[tuple(slice(None, None, step) for step in steps)]
        if repeats and array.size:
            array = np.broadcast_to(array[:1], array.shape)
        array = array.view()
        array.flags.writeable = writeable and not repeats
        return array

    steps = st.tuples(*(st.sampled_from([1, -1, 2, -3]) for _ in shape))
    return st.builds(view, steps, st.sampled_from("CF"), st.booleans(), st.booleans())


@st.composite
def cases_in_memory(draw):
    """Simple RNNs' cases, batch or time 0 among them, whose arrays lie in memory in any way."""
    batch, time, d, h = (draw(st.integers(least, 4)) for least in (0, 0, 1, 1))
    dtype = draw(st.sampled_from(["float64", "float32", "float16", "bfloat16"]))
    shapes = [(batch, time, d), (h, d), (h, h), (h,), (batch, h)]
    return Case(*(draw(views(shape, dtype)) for shape in shapes))


@fewer(2)
@given(data=st.data())
def test_a_case_of_any_kind_comes_across(data):
    case = data.draw(st.sampled_from(["simple_rnn", "gru", "lstm", "peephole_lstm"]).flatmap(any_case))
    asked = data.draw(st.none() | cotangents(case))
    came, loss = unpacked_case(packed_case(case, asked))
    for field in fields(Case):
        before, after = getattr(case, field.name), getattr(came, field.name)
        if field.name == "more_weights":
            before, after = ([w for weights in each for w in weights] for each in (before, after))
            assert all(map(same, before, after))
            assert len(before) == len(after)
        else:
            assert same(before, after), field.name
    assert (loss is None) == (asked is None)
    assert asked is None or all(map(same, asked, loss))


@given(case=cases_in_memory())
def test_any_layout_in_memory_comes_across(case):
    came, _ = unpacked_case(packed_case(case, None))
    for name, array in case.arrays().items():
        assert same(array, came.arrays()[name]), name


def test_what_lies_between_the_numbers_is_not_zero():
    """A backend that reads past a stride must be seen to."""
    inputs = np.zeros((2, 6, 2), "float32")[:, ::2]
    case = make_case()
    came, _ = unpacked_case(packed_case(Case(inputs, case.W, case.U, case.b), None))
    assert came.inputs.base is not None
    between = np.lib.stride_tricks.as_strided(came.inputs, (2,), (came.inputs.strides[1] // 2,))
    assert between[0] == 0 != between[1]


def test_arrays_that_come_across_can_be_written_to_unless_they_could_not_before():
    case = make_case()
    case.W.flags.writeable = False
    came, _ = unpacked_case(packed_case(case, None))
    assert came.inputs.flags.writeable
    assert not came.W.flags.writeable


def test_a_case_that_no_message_has_room_for_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(wire, "LARGEST", 100)
    with pytest.raises(wire.TooLarge, match=r"^the case has \d+ bytes, and a message at most 100$"):
        packed_case(make_case(), Cotangents())


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
arrays = st.builds(
    lambda numbers, dtype: numbers.astype(dtype),
    hnp.arrays("int8", hnp.array_shapes(min_dims=0, min_side=0), elements=st.integers(0, 100)),
    st.sampled_from(["float64", "float32", "float16", "bfloat16", "bool", "int8", "uint64", "complex64"]),
)
answers = st.recursive(
    plain | arrays, lambda inner: st.dictionaries(st.text(max_size=9), inner, max_size=3), max_leaves=4
)


@given(answer=answers)
def test_an_answer_of_plain_values_and_arrays_comes_across(answer):
    def check(before, after, depth):
        if not isinstance(before, dict):
            assert same(before, after)
        elif depth < wire.DEEPEST:
            assert before.keys() == after.keys()
            for name in before:
                check(before[name], after[name], depth + 1)
        else:
            assert type(after).__name__ == "dict"

    check(answer, unpacked_answer(*packed_answer(answer, ROOM)), 0)


def test_a_trace_comes_across_with_whatever_it_holds():
    outputs = np.arange(6.0).reshape(2, 3)[::-1]
    trace = unpacked_answer(*packed_answer(Trace(outputs, None, 3, hidden_outputs=(outputs, "x")), ROOM))
    np.testing.assert_array_equal(trace.outputs, outputs)
    np.testing.assert_array_equal(trace.hidden_outputs[0], outputs)
    assert (trace.final_state, trace.final_cell_state, trace.hidden_outputs[1]) == (None, 3, "x")


@pytest.mark.parametrize(
    "value",
    [object(), [1, 2], {1}, "x" * 5000, (((((1,),),),),), tuple(range(5000)), 1j, b"", make_case],
)
def test_what_is_no_answer_comes_across_as_something_of_its_type(value):
    came = unpacked_answer(*packed_answer(value, ROOM))
    while isinstance(value, tuple) and isinstance(came, tuple):
        value, came = value[0], came[0]
    assert type(came).__name__ == type(value).__name__


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.zeros(3, "datetime64[s]")])
def test_arrays_of_what_are_no_numbers_come_across_as_their_form(array):
    came = unpacked_answer(*packed_answer({"outputs": array}, ROOM))["outputs"]
    assert (came.dtype, came.shape) == (np.dtype(object), array.shape)


def test_a_huge_array_comes_across_as_its_form():
    huge = np.broadcast_to(np.zeros((), "float32"), (10**6, 10**6))
    plain, data = packed_answer(Trace(huge, None), ROOM)
    assert len(str(plain)) + len(data) < 1000
    came = unpacked_answer(plain, data).outputs
    assert (came.dtype, came.shape) == (huge.dtype, huge.shape)


def test_facts_come_across():
    facts = Facts(
        "mine",
        version="1",
        dtypes=("float32", "bfloat16"),
        merge_modes=("sum",),
        tanh_ulps={"float32": 2},
        functions={"elu": {"float32": FunctionError(1, 2**-23)}},
    )
    assert unpacked_facts(packed_facts(facts)) == facts
    assert ml_dtypes.bfloat16  # known to NumPy by its name
