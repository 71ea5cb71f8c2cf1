"""What a layer has in effect: factors of weights, another activation, and what only looks like rounding."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.backends.compare import run
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Cotangents, Trace
from rnn_lockstep.reference.bound.arithmetic import rounded
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose, diagnose_gradients
from rnn_lockstep.reference.diagnosis.probe import are_siblings, sibling, twin
from rnn_lockstep.reference.diagnosis.recover_gradients import GradientAnswer
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.tests.harness.drawing.make_case import make_case

FACTS = NumpyAdapter.facts


def drawn(cell="simple_rnn", dtype="float64", shape=(3, 6, 8, 17), seed=0, **options):
    """A case with random numbers."""
    return make_case(
        cell=cell,
        shape=shape,
        dtype=dtype,
        variant={"biases": 1 if cell == "simple_rnn" else 2, **options},
        regime="chaotic",
        layout="contiguous",
        given_state=True,
        padding="none",
        reverse=False,
        source=seed,
    )


def with_change(case, change):
    """The answer to a case with changed weights, or that of another function of the case."""
    return run(NumpyAdapter(), change(case))


def diagnosed(cell, change, dtype="float64"):
    """The diagnosis of the answers to two cases."""
    cases = [drawn(cell, dtype, seed=seed) for seed in range(2)]
    answers = [Answer(case, with_change(case, change)) for case in cases]
    return str(diagnose(answers, FACTS.arithmetic(cases[0].dtype)))


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("U", slice(None), "U is 1.11111 times yours"),
        ("W", slice(17, 34), "W of gate f is 1.11111 times yours"),
        ("recurrent_b", slice(None), "recurrent_b is 1.11111 times yours"),
    ],
)
def test_a_factor_of_an_lstms_weights_is_recovered(name, rows, words):
    def change(case):
        array = getattr(case, name).copy()
        array[rows] /= 0.9
        return replace(case, **{name: array})

    assert words in diagnosed("lstm", change)


@pytest.mark.parametrize(
    ("function", "where"),
    [
        (lambda z: np.where(np.abs(z) > 3, np.sign(z), np.tanh(z)), "off from |z| = 3"),
        (lambda z: z * (27 + z * z) / (27 + 9 * z * z), "off from |z| = "),
    ],
)
def test_another_activation_is_told(monkeypatch, function, where):
    case = drawn(dtype="float32")
    with monkeypatch.context() as patched:
        patched.setitem(ACTIVATIONS, "tanh", replace(ACTIVATIONS["tanh"], function=function))
        trace = run(NumpyAdapter(), case)
    found = str(diagnose([Answer(case, trace)], FACTS.arithmetic(case.dtype)))
    assert found.startswith("the activation is another function of the right sum z: it is ")
    assert where in found


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_what_goes_one_way_is_no_rounding(cell):
    """States that are all too large by a thousandth lie within float16's bounds."""

    def answer(case):
        h, outputs = case.start, []
        for t in range(case.time):
            h = case.step(case.inputs[:, t], h)
            h = (h[0] * (1 + 1e-3), *h[1:])
            outputs.append(h[0])
        return Trace(np.stack(outputs, axis=1), *h)

    cases = [drawn(cell, seed=seed) for seed in range(2)]
    answers = [Answer(case, answer(case)) for case in cases]
    assert "only as exact as" not in str(diagnose(answers, FACTS.arithmetic(cases[0].dtype)))


@pytest.mark.parametrize(("near", "told"), [(False, True), (True, False)])
def test_what_is_off_alike_in_nearly_the_same_case_is_no_rounding(near, told):
    """Weights that are off by a thousandth, each by as much in every case, lie within bfloat16's bounds."""
    noise = np.random.default_rng(0).normal(size=drawn("lstm").W.shape)

    def change(case):
        return replace(case, W=case.W * (1 + 1e-3 * noise))

    case = drawn("lstm")
    cases = [case, sibling(case, 0) if near else drawn("lstm", seed=1)]
    assert are_siblings(*cases) == near
    answers = [Answer(each, with_change(each, change)) for each in cases]
    found = str(diagnose(answers, FACTS.arithmetic(case.dtype)))
    assert ("only as exact as" in found) == told


def test_one_wrong_number_is_explained_by_nothing():
    """A mistake that makes its own bounds wide, or any that changes this number, would by accident."""
    case = drawn("simple_rnn", "float32", (2, 8, 16, 64), merge_mode="sum")
    trace = run(NumpyAdapter(), case)
    trace.outputs[1, 6, 31] += np.float32(0.01)
    assert not diagnose([Answer(case, trace)], FACTS.arithmetic(case.dtype)).explanations


@pytest.mark.parametrize(
    ("cell", "update", "says"),
    [
        (
            "simple_rnn",
            lambda new, old: 0.85 * new + 0.15 * old,
            "each state is 0.85 times the new state and",
        ),
        ("gru", lambda new, old: new / 0.8, "each new h is 1.25 times what it should be"),
        ("gru", lambda new, old: new + 0.5 * old, "0.5 times the state before is added to each new h"),
        (
            "lstm",
            lambda new, old: 0.7 * new + 0.3 * old,
            "h is 0.7 times the new state and 0.3 times the one",
        ),
    ],
)
def test_another_update_of_the_state_is_recovered(cell, update, says):
    def answer(case):
        state, outputs = case.start, []
        for t in range(case.time):
            new = case.step(case.inputs[:, t], state)
            state = (update(new[0], state[0]), *new[1:])
            outputs.append(state[0])
        return Trace(np.stack(outputs, axis=1), *state)

    cases = [drawn(cell, seed=seed) for seed in range(2)]
    answers = [Answer(case, answer(case)) for case in cases]
    found = str(diagnose(answers, FACTS.arithmetic(cases[0].dtype)))
    assert found.startswith(f"judging by the steps, {says}")


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm"])
def test_a_factor_is_told_with_as_many_digits_as_it_takes(cell):
    found = diagnosed(cell, lambda case: replace(case, U=case.U * (1 + 2e-6)))
    assert found == "judging by the steps, U is 1.000002 times yours"


def steps_of(case, step):
    """The answer of whoever takes such steps, (x_t, state) -> state."""
    state, outputs = case.start, []
    for t in range(case.time):
        state = tuple(part.astype(case.dtype) for part in step(case.inputs[:, t], state))
        outputs.append(state[0])
    return Trace(np.stack(outputs, axis=1), *state)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize(
    ("cell", "options", "change", "says"),
    [
        ("simple_rnn", {"activation": "relu"}, ("states", 3), "the states are clipped at 3"),
        ("gru", {}, ("states", 0.75), "the states are clipped at 0.75"),
        ("lstm", {}, ("states", 0.25), "the states are clipped at 0.25"),
        ("lstm", {}, ("inputs", 1.5), "the inputs are clipped at 1.5"),
        ("gru", {}, ("inputs", 0.3), "the inputs are clipped at 0.3"),
    ],
)
def test_a_limit_is_recovered(cell, options, change, says, dtype):
    what, limit = change

    def clipped(array):
        return np.clip(array, -case.dtype.type(limit), case.dtype.type(limit))

    def step(x, state):
        if what == "inputs":
            return case.step(clipped(x), state)
        h, *more = case.step(x, state)
        return clipped(h), *more

    answers = []
    for seed in range(2):
        case = drawn(cell, dtype, seed=seed, **options)
        answers.append(Answer(case, steps_of(case, step)))
    assert str(diagnose(answers, FACTS.arithmetic(case.dtype))) == f"judging by the steps, {says}"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("cell", "rows", "more", "says"),
    [
        ("simple_rnn", slice(None), -0.25, "b is yours - 0.25"),
        ("lstm", slice(17, 34), 0.5, "b of gate f is yours + 0.5"),
        ("lstm", slice(None), 0.1, "b is yours + 0.1"),
        ("gru", slice(17, 34), 1.0, "b of gate z is yours + 1"),
        ("gru", slice(34, 51), -2.0, "b of gate n is yours - 2"),
    ],
)
def test_a_number_that_is_added_to_a_bias_is_recovered(cell, rows, more, says, dtype):
    def change(case):
        b = case.b.copy()
        b[rows] += case.dtype.type(more)
        return replace(case, b=b)

    assert diagnosed(cell, change, dtype) == f"judging by the steps, {says}"


def test_rounding_is_called_by_the_dtype_that_has_it():
    def answer(case):
        h, outputs = case.start, []
        for t in range(case.time):
            h = tuple(rounded(part, 11) for part in case.step(case.inputs[:, t], h))
            outputs.append(h[0])
        return Trace(np.stack(outputs, axis=1), *h)

    cases = [drawn("gru", seed=seed) for seed in range(2)]
    answers = [Answer(case, answer(case)) for case in cases]
    assert "only as exact as float16" in str(diagnose(answers, FACTS.arithmetic(cases[0].dtype)))


def test_a_final_state_alone_is_no_rounding_of_the_outputs():
    """Outputs are off by rounding where they are right, too; the final cell states are rounded to 9 bits."""
    case = drawn("lstm", "float32")
    right = run(NumpyAdapter(), case)
    wrong = rounded(right.final_cell_state, 9).astype(np.float32)
    answers = [Answer(case, replace(right, final_cell_state=wrong))]
    assert "only as exact as" not in str(diagnose(answers, FACTS.arithmetic(case.dtype)))


def test_a_twin_has_the_sizes_the_padding_and_the_strength_of_its_case():
    case = replace(drawn("lstm"), lengths=np.array([6, 2, 0]))
    case = replace(case, inputs=np.where(case.valid[..., None], case.inputs, np.nan))
    found = twin(case, 0)
    assert (found.sizes, found.kind, found.lengths.tolist()) == (case.sizes, case.kind, [6, 2, 0])
    np.testing.assert_array_equal(np.isnan(found.inputs), np.isnan(case.inputs))
    for name, array in case.arrays().items():
        other = found.arrays()[name]
        assert other.dtype == array.dtype
        assert not np.array_equal(other, array, equal_nan=True)
        assert 0.5 < np.nanstd(other) / np.nanstd(array) < 2


def test_a_sibling_keeps_what_is_zero_and_what_is_large():
    case = drawn()
    case.inputs[0, 0, 0], case.W[0] = 1e6, 0
    found = sibling(case, 0)
    assert not found.W[0].any()
    assert 0.9e6 <= found.inputs[0, 0, 0] <= 1.1e6
    assert not np.array_equal(found.U, case.U)
    np.testing.assert_allclose(found.U, case.U, rtol=0.1001)


def gradient_answers(change):
    """Two answers of a backend whose gradients are changed, and the right ones."""
    answers = []
    for seed in range(2):
        case = drawn(shape=(3, 4, 5, 4), seed=seed)
        rng = np.random.default_rng(seed)
        asked = Cotangents(rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4)))
        answers.append(GradientAnswer(case, asked, change(NumpyAdapter().gradients(case, asked))))
    return answers


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda g: {name: 0.7 * a for name, a in g.items()},
            "all gradients are 0.7 times what they should be",
        ),
        (
            lambda g: {**g, "b": 3 * g["b"]},
            "only the gradients of b are wrong: that of b is 3 times what it should be",
        ),
        (
            lambda g: {name: rounded(a, 11) for name, a in g.items()},
            "gradients are only as exact as float16: perhaps something is computed in it",
        ),
        (lambda g: {**g, "W": np.zeros_like(g["W"])}, None),
    ],
)
def test_what_gradients_have_to_do_with_the_right_ones(change, says):
    found = diagnose_gradients(gradient_answers(change), FACTS.arithmetic(np.dtype("float64")))
    assert str(found) == says if says else "times what they should be" not in str(found)


@pytest.mark.parametrize(("near", "told"), [(False, True), (True, False)])
def test_gradients_that_are_off_alike_in_nearly_the_same_case_are_not_rounded(near, told):
    def change(gradients):
        noise = np.random.default_rng(0)
        return {name: g * (1 + 2e-4 * noise.normal(size=g.shape)) for name, g in gradients.items()}

    answers = gradient_answers(change)
    case, asked, _ = answers[1]
    if near:
        case = sibling(case, 0)
        answers.append(GradientAnswer(case, asked, change(NumpyAdapter().gradients(case, asked))))
    says = str(diagnose_gradients(answers, FACTS.arithmetic(np.dtype("float64"))))
    assert ("only as exact as" in says) == told
