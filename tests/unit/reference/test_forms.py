"""Answers of any form at all: a mismatch that says what is wrong, and no match, no error, no endless wait."""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Case, Cotangents, Trace, check, check_gradients, check_training
from rnn_lockstep.reference.oracle.training import weights_of
from tests.unit.reference.arithmetics import of_numpy


class Own(np.ndarray):
    """An array that is near everything."""

    def __array_ufunc__(self, *_, **__):
        return np.zeros(self.shape)


class Raising(Trace):
    """A Trace that cannot be read."""

    @property
    def outputs(self):
        raise RuntimeError("no outputs\n")

    @outputs.setter
    def outputs(self, _):
        pass


class RaisingMapping(UserDict):
    def get(self, name):
        raise OSError(f"no {name}")


class Shifty(Mapping):
    """A mapping whose arrays are right when they are first read, and masked later."""

    def __init__(self, arrays):
        self.arrays, self.given = arrays, set()

    def __getitem__(self, name):
        masked = name in self.given
        self.given.add(name)
        return everything_masked(self.arrays[name]) if masked else self.arrays[name]

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)


def made(cell="simple_rnn", layers=1):
    """A case of random numbers, float32."""
    rng = np.random.default_rng(0)
    gates = {"simple_rnn": 1, "lstm": 4}[cell]
    shapes = [(2, 3, 4), (gates * 4, 4), (gates * 4, 4), (gates * 4,)]
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    case = Case(*arrays, cell=cell)
    return replace(case, more_weights=(case.weights,) * (layers - 1))


CASE, LSTM, STACK = made(), made("lstm"), made(layers=3)
RIGHT = {case: NumpyAdapter().run(case) for case in (CASE, LSTM, STACK)}
COTANGENTS = Cotangents(outputs=np.ones((2, 3, 4), np.float32))
GRADIENTS = NumpyAdapter().gradients(CASE, COTANGENTS)


def everything_masked(array):
    """An array whose every comparison is masked, so that no number is found wrong."""
    return np.ma.MaskedArray(array + 1, mask=True)


WRONG_TYPES = {
    "a MaskedArray": everything_masked,
    "a matrix": lambda a: a.reshape(1, -1).view(np.matrix),
    "a memmap": lambda a: a.view(np.memmap),
    "a recarray": lambda a: a.view(np.recarray),
    "a Own": lambda a: (a + 1).view(Own),
    "a list": np.ndarray.tolist,
    "a str": str,
    "a bytes": np.ndarray.tobytes,
    "a float32": lambda a: a.ravel()[0],
    "a memoryview": memoryview,
    "a generator": lambda a: (row for row in a),
    "a count": lambda _: count(),
    "a dict": lambda _: {"a": 1},
    "a ?[2J" + "x" * 56 + "...": lambda _: type("\x1b[2J" + "x" * 10**6, (), {})(),
}
WRONG_DTYPES = {
    "object": lambda a: a.astype(object),
    "complex64": lambda a: a.astype(complex).astype("c8"),
    ">f4": lambda a: a.astype(">f4"),
    "float64": lambda a: a.astype(float),
    "<U32": lambda a: a.astype(str),
    "[('x', '<f4')]": lambda a: a.view([("x", "<f4")]),
    "[('" + "x" * 57 + "...": lambda a: a.view([("x" * 10**5, "<f4")]),
    "datetime64[s]": lambda a: a.astype("i8").astype("M8[s]"),
}
ARRAYS = [(CASE, "outputs"), (CASE, "final_state"), (LSTM, "final_cell_state")]


def judged(case, answer):
    """The verdict on an answer, which is a mismatch of form."""
    verdict = check(case, answer, of_numpy(case))
    assert (verdict.status, verdict.comparisons) == ("mismatch", ())
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 250
    assert str(verdict)
    return verdict.reason


@pytest.mark.parametrize(("case", "name"), ARRAYS, ids=lambda value: getattr(value, "kind", value))
@pytest.mark.parametrize("what", WRONG_TYPES)
def test_only_an_array_of_numpys_own_class_is_one(case, name, what):
    wrong = WRONG_TYPES[what](getattr(RIGHT[case], name))
    reason = judged(case, replace(RIGHT[case], **{name: wrong}))
    assert reason.startswith(f"{name} is {what}, needs a NumPy array")


@pytest.mark.parametrize("what", WRONG_TYPES)
def test_hidden_outputs_too(what):
    right = RIGHT[STACK].hidden_outputs
    reason = judged(STACK, replace(RIGHT[STACK], hidden_outputs=(right[0], WRONG_TYPES[what](right[1]))))
    assert reason.startswith(f"hidden_outputs[1] is {what}, needs a NumPy array")


@pytest.mark.parametrize("dtype", WRONG_DTYPES)
def test_another_dtype_is_named(dtype):
    wrong = WRONG_DTYPES[dtype](RIGHT[CASE].outputs)
    assert judged(CASE, replace(RIGHT[CASE], outputs=wrong)) == f"outputs has dtype {dtype}, needs float32"
    reason = gradient_judged({**GRADIENTS, "W": WRONG_DTYPES[dtype](GRADIENTS["W"])})
    assert reason == f"the gradient of W is {dtype} (4, 4), needs float32 (4, 4)"


@pytest.mark.parametrize(
    ("hidden", "what"),
    [
        ([], "is a list, needs a tuple of arrays"),
        (iter(int, 1), "is a callable_iterator, needs a tuple of arrays"),
        (None, "is a NoneType, needs a tuple of arrays"),
        ((), ""),
        ((1,), "has 1 arrays, needs 2, one for each layer but the last"),
        ((None, None), "[0] is a NoneType, needs a NumPy array"),
    ],
)
def test_hidden_outputs_are_a_tuple_of_arrays(hidden, what):
    answer = replace(RIGHT[STACK], hidden_outputs=hidden)
    if not what:
        assert check(STACK, answer, of_numpy(STACK)).status != "mismatch"
        return
    assert judged(STACK, answer).removeprefix("hidden_outputs").strip() == what


def test_a_trace_that_cannot_be_read():
    for answer in (Trace.__new__(Trace), Raising.__new__(Raising)):
        assert judged(CASE, answer).startswith("outputs cannot be read: it raises ")
    assert judged(CASE, Trace) == "the backend returned type, needs a Trace"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["outputs", "final_state"])
def test_numbers_that_are_none_are_a_mismatch(number, name):
    wrong = np.full_like(getattr(RIGHT[CASE], name), number)
    verdict = check(CASE, replace(RIGHT[CASE], **{name: wrong}), of_numpy(CASE))
    assert (verdict.status, bool(str(verdict))) == ("mismatch", True)


def test_shapes_of_any_size_that_take_no_memory():
    huge = np.broadcast_to(np.float32(0), (2, 2**40, 4))
    reason = judged(CASE, replace(RIGHT[CASE], outputs=huge))
    assert reason == f"outputs has shape (2, {2**40}, 4), needs (2, 3, 4)"
    assert "outputs has shape (), " in judged(CASE, replace(RIGHT[CASE], outputs=np.array(0, "f")))


def test_arrays_that_lie_in_memory_in_any_way_are_right():
    outputs = np.asfortranarray(RIGHT[CASE].outputs)
    outputs.flags.writeable = False
    state = np.frombuffer(b"x" + RIGHT[CASE].final_state.tobytes(), np.uint8)[1:].view("f").reshape(2, 4)
    assert check(CASE, Trace(outputs, state), of_numpy(CASE)).status == "match"


def test_our_own_answers_are_plain_though_the_case_is_not():
    case = Case(*(array.view(np.recarray) for array in CASE.arrays().values()))
    adapter = NumpyAdapter()
    assert check(case, adapter.run(case), of_numpy(case)).status == "match"
    answer = adapter.gradients(case, COTANGENTS)
    assert check_gradients(case, COTANGENTS, answer, of_numpy(case)).status == "match"


def gradient_judged(answer):
    """The reason of the verdict on gradients, which is a mismatch of form."""
    verdict = check_gradients(CASE, COTANGENTS, answer, of_numpy(CASE))
    assert (verdict.status, verdict.comparisons) == ("mismatch", ())
    assert verdict.reason.isprintable()
    return verdict.reason


@pytest.mark.parametrize("what", WRONG_TYPES)
def test_gradients_are_arrays_of_numpys_own_class(what):
    reason = gradient_judged({**GRADIENTS, "W": WRONG_TYPES[what](GRADIENTS["W"])})
    assert reason == f"the gradient of W is {what}, needs float32 (4, 4)"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "the gradient of inputs is missing, needs float32 (2, 3, 4)"),
        ({"w": 1, 3: 4, None: None}, "the gradient of inputs is missing, needs float32 (2, 3, 4)"),
        ({**GRADIENTS, "b": None}, "the gradient of b is missing, needs float32 (4,)"),
        (count(), "the gradient of every array is needed in a dict by name, not a count"),
        (list(GRADIENTS), "the gradient of every array is needed in a dict by name, not a list"),
        (RaisingMapping(), "the gradient of inputs cannot be read: it raises OSError"),
    ],
)
def test_gradients_by_other_names_or_none(answer, reason):
    assert gradient_judged(answer) == reason


def test_gradients_are_read_once():
    assert check_gradients(CASE, COTANGENTS, Shifty(GRADIENTS), of_numpy(CASE)).status == "match"


@pytest.mark.parametrize("what", WRONG_TYPES)
def test_weights_after_training_are_arrays_of_numpys_own_class(what):
    targets = np.zeros((2, 3, 4), np.float32)
    answer = [{**weights_of(CASE), "U": WRONG_TYPES[what](CASE.U)}]
    verdict = check_training(CASE, targets, 0.1, answer, of_numpy(CASE))
    assert (verdict.status, verdict.reason) == (
        "mismatch",
        f"U after update 1 is {what}, needs float32 (4, 4)",
    )
    verdict = check_training(CASE, targets, 0.1, count(), of_numpy(CASE))
    assert verdict.reason == "the weights after each update are a count, needs a list"
