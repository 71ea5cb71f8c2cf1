"""The diagnosis names mistakes: one, two together, those of a part, and those of no list."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.reference import Arithmetic, Case, FunctionError, Trace, check
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES, possible
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.diagnosis.probe import probe
from rnn_lockstep.reference.diagnosis.suspect import Suspect
from rnn_lockstep.reference.oracle.engine import PLAIN

ULPS = dict.fromkeys(("tanh", "sigmoid"), FunctionError(4.0))
SMALL = Case(np.zeros((1, 2, 3)), np.zeros((4, 3)), np.zeros((4, 4)), np.zeros(4))
GRU = Case(
    np.zeros((1, 2, 3)), np.zeros((12, 3)), np.zeros((12, 4)), np.zeros(12), None, "tanh", "gru", np.zeros(12)
)


def drawn(like=SMALL, seed=0, dtype="float64", **options):
    """A case with values that tell mistakes apart, and an initial state."""
    given = replace(like, initial_state=np.zeros(like.state_shape), **options)
    return as_dtype(probe(given, seed), dtype)


def as_dtype(case, dtype):
    """Convert the arrays of a case to a dtype."""
    return replace(case, **{name: array.astype(dtype) for name, array in case.arrays().items()})


def answered(case, *mistakes):
    """The answer of a backend that makes these mistakes."""
    trace = answer([MISTAKES[name] for name in mistakes], case, PLAIN)
    return Trace(*(np.asarray(array, case.dtype) for array in (trace.outputs, *trace.states)))


def diagnosed(*answers):
    """The diagnosis of wrong answers, each a case and a trace."""
    return diagnose([Answer(*each) for each in answers], Arithmetic(answers[0][0].dtype, ULPS))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mistake", ["u_transposed", "bias_doubled", "initial_state_ignored", "rows_mixed"])
def test_one_mistake(mistake, dtype):
    case = drawn(dtype=dtype)
    found = diagnosed((case, answered(case, mistake)))
    assert str(found) == MISTAKES[mistake].description


def test_a_mistake_that_changes_nothing_explains_nothing():
    """The last output is off by one unit in the last place, which only the mistake's bounds allow."""
    case = drawn(return_sequences=False)
    right = answered(case)
    apart = replace(right, outputs=np.nextafter(right.outputs, 2))
    no_change = Mistake(
        "all outputs are computed",
        change_case=lambda case: replace(case, return_sequences=True),
        change_trace=lambda case, trace: replace(trace, outputs=trace.outputs[:, -1]),
    )
    assert not diagnose([Answer(case, apart)], Arithmetic(case.dtype, ULPS), [no_change]).explanations
    assert not Suspect(case, apart, Arithmetic(case.dtype, ULPS)).is_explained_by(no_change)


def test_the_first_output_of_rows_that_run_backwards_and_are_padded():
    """It is the last step of some rows, and in others padding."""
    counts = np.array([[False, True, True, True], [True, True, False, True], [True, True, True, True]])
    like = replace(SMALL, inputs=np.zeros((3, 4, 3)))
    case = drawn(like, return_sequences=False, reverse=True, mask=counts)
    whole = answered(replace(case, return_sequences=True))
    found = diagnosed((case, replace(whole, outputs=whole.outputs[:, 0])))
    assert str(found) == MISTAKES["last_output_is_the_first"].description


@pytest.mark.parametrize("reverse", [False, True])
def test_the_first_output_in_place_of_the_last(reverse):
    """Backwards the first step is the last of outputs, and no one is told of the first of them."""
    case = drawn(return_sequences=False, reverse=reverse)
    whole = answered(replace(case, return_sequences=True))
    found = diagnosed((case, replace(whole, outputs=whole.outputs[:, -1 if reverse else 0])))
    name = "last_output_of_the_last_column" if reverse else "last_output_is_the_first"
    assert str(found) == MISTAKES[name].description


@pytest.mark.parametrize(
    ("like", "mistakes"),
    [
        (SMALL, ("w_in_the_other_order", "initial_state_ignored")),
        (GRU, ("gru_gates_in_order_zrn", "gru_recurrent_bias_summed")),
        (GRU, ("gru_gates_in_order_zrn", "gru_reset_form_flipped")),
        (GRU, ("initial_state_ignored", "gru_reset_gate_on_the_input_too")),
    ],
)
def test_two_mistakes_together(like, mistakes):
    case = drawn(like)
    [found, *_] = diagnosed((case, answered(case, *mistakes))).explanations
    assert {MISTAKES[name].description for name in mistakes} == {
        mistake.description for mistake in found.mistakes
    }


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (np.s_[:, 3:], "at step 3 and after"),
        (np.s_[:, 2:3], "at step 2 only"),
        (np.s_[2:3], "at batch row 2 only"),
        (np.s_[..., 1:3], "at units 1 to 2"),
    ],
)
def test_a_mistake_in_a_part(part, where):
    """Each step is made from the shown state before, as by a backend that is wrong there only."""
    case = drawn(GRU)
    state, outputs = case.h0, []
    for t in range(case.time):
        right, wrong = (
            case.step(case.inputs[:, t], (state,), weights)[0]
            for weights in (case.weights, case.weights._replace(b=0 * case.b))
        )
        here = np.zeros((case.batch, case.time, case.hidden_size), bool)
        here[part] = True
        state = np.where(here[:, t], wrong, right)
        outputs.append(state)
    found = diagnosed((case, Trace(np.stack(outputs, axis=1), state)))
    assert str(found.explanations[0]) == f"{where}, b is dropped"


def column_zero(W):
    """The array with zeros in column 2."""
    return np.where(np.arange(W.shape[1]) == 2, 0, W)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("W", column_zero, "W's column 2 is zero"),
        ("W", lambda W: W * np.array([1, 0, 0], W.dtype), "W's columns 1, 2 are zero"),
        (
            "W",
            lambda W: W * np.array([0.25, 2, 5], W.dtype),
            "W's columns are yours times 0.25, 2, 5: perhaps the inputs are scaled or shifted before",
        ),
        ("U", lambda U: U * 1.001, "U is 1.001 times yours"),
        ("U", lambda U: U[[2, 0, 3, 1]], "U has your rows 2, 0, 3, 1"),
        ("W", lambda W: W[:, [1, 0, 2]], "W has your columns 1, 0, 2"),
        ("b", lambda b: b[[1, 0, 3, 2]], "b has your elements 1, 0, 3, 2"),
        ("b", lambda b: b / 2, "b is halved"),
        ("U", lambda U: np.sin(9 * U), "U is another array than yours"),
    ],
)
def test_weights_are_recovered_from_the_steps(name, change, says, dtype):
    case = drawn(dtype=dtype)
    changed = replace(case, **{name: change(getattr(case, name)).astype(dtype)})
    assert str(diagnosed((case, answered(changed)))) == f"judging by the steps, {says}"


def test_a_single_wrong_weight_is_recovered():
    case = drawn()
    U = case.U.copy()
    U[1, 2] *= -1
    found = str(diagnosed((case, answered(replace(case, U=U)))))
    assert found == f"judging by the steps, U[1, 2] is {U[1, 2]:.6g} and should be {-U[1, 2]:.6g}"


def test_what_nothing_explains_is_said_to_be_unexplained():
    case = drawn()
    trace = answered(case)
    wrong = replace(trace, outputs=trace.outputs + np.random.default_rng(0).normal(size=trace.outputs.shape))
    assert str(diagnosed((case, wrong))) == f"none of {len(possible(case))} known mistakes explains it"


def test_all_answers_must_be_explained():
    """U transposed would explain the first."""
    first, second = drawn(seed=1), drawn(seed=2)
    both = (first, answered(first, "u_transposed")), (second, answered(second, "u_negated"))
    assert "transposed" not in str(diagnosed(*both))


@pytest.mark.parametrize("like", [SMALL, GRU])
def test_a_right_answer_is_not_diagnosed(like):
    case = replace(drawn(like), b=np.zeros_like(like.b))  # where dropping it would explain the answer
    assert check(case, answered(case), Arithmetic(case.dtype, ULPS)).status == "match"
    assert not diagnosed((case, answered(case))).explanations


@pytest.mark.parametrize("form", ["lengths", "mask"])
def test_a_probe_has_the_form_of_its_case(form):
    padding = {"lengths": np.array([2]), "mask": np.array([[True, False]])}[form]
    found = probe(replace(GRU, **{form: padding}), seed=3)
    assert getattr(found, form) is not None
    assert np.isnan(found.inputs[~found.valid]).all()
    assert np.isfinite(found.inputs[found.valid]).all()
    assert (found.cell, found.hidden_size, found.input_size) == ("gru", 4, 3)
    assert found.initial_state is None
    assert len(np.unique(np.abs(found.U))) == found.U.size
