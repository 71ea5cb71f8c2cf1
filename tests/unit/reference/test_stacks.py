"""The meaning of layers, directions, merge modes and last outputs, and what the check says of them."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Arithmetic, Case, FunctionError, Weights, check
from rnn_lockstep.reference.oracle.cells import CELLS, GATES
from tests.unit.reference.arithmetics import of_numpy
from tests.unit.reference.test_lengths import LENGTHS

BATCH, TIME, INPUT_SIZE, HIDDEN_SIZE = 4, 5, 2, 3
ROUGH = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(1500)})


def make_case(cell="simple_rnn", layers=1, merge_mode=None, scale=1.0, dtype="float64", time=TIME, **options):
    """A case of random numbers with some layers and directions. scale: of U."""
    rng = np.random.default_rng(0)
    directions = 1 if merge_mode is None else 2
    rows = len(GATES[cell]) * HIDDEN_SIZE

    def drawn(*shape):
        return rng.normal(size=shape).astype(dtype)

    output_size = HIDDEN_SIZE - 1 if options.pop("projection", False) else HIDDEN_SIZE
    features = output_size * (2 if merge_mode == "concat" else 1)
    seeing = len(CELLS[cell].peepholes)
    first, *more = (
        Weights(
            drawn(rows, INPUT_SIZE if k < directions else features),
            np.dtype(dtype).type(scale) * drawn(rows, output_size),
            drawn(rows),
            projection=None if output_size == HIDDEN_SIZE else drawn(output_size, HIDDEN_SIZE),
            peepholes=0.5 * drawn(seeing * HIDDEN_SIZE) if seeing else None,
        )
        for k in range(layers * directions)
    )
    shape = (layers * directions, BATCH) if more else (BATCH,)
    sizes = dict(zip(CELLS[cell].states, (output_size, HIDDEN_SIZE), strict=False))
    states = {name: drawn(*shape, size) for name, size in sizes.items()}
    inputs = drawn(BATCH, time, INPUT_SIZE)
    return Case(
        inputs,
        **first._asdict(),
        more_weights=tuple(more),
        cell=cell,
        merge_mode=merge_mode,
        **states,
        **options,
    )


def by_hand(weights, inputs, h, backwards):
    """A simple RNN, one line for each step."""
    outputs = np.empty((BATCH, TIME, HIDDEN_SIZE))
    for t in range(TIME - 1, -1, -1) if backwards else range(TIME):
        h = np.tanh(inputs[:, t] @ weights.W.T + h @ weights.U.T + weights.b)
        outputs[:, t] = h
    return outputs, h


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("merge_mode", [None, "concat", "sum", "mul", "ave"])
def test_layers_by_hand(layers, merge_mode):
    case = make_case(layers=layers, merge_mode=merge_mode)
    cells = [case.weights, *case.more_weights]
    states = case.initial_state.reshape(-1, BATCH, HIDDEN_SIZE)
    x, finals = case.inputs, []
    for layer in range(layers):
        if merge_mode is None:
            x, h = by_hand(cells[layer], x, states[layer], backwards=False)
            finals += [h]
            continue
        f, h_f = by_hand(cells[2 * layer], x, states[2 * layer], backwards=False)
        b, h_b = by_hand(cells[2 * layer + 1], x, states[2 * layer + 1], backwards=True)
        finals += [h_f, h_b]
        x = {"concat": np.dstack([f, b]), "sum": f + b, "mul": f * b, "ave": (f + b) / 2}[merge_mode]
    trace = NumpyAdapter().run(case)
    np.testing.assert_allclose(trace.outputs, x, rtol=1e-12)
    np.testing.assert_allclose(trace.final_state, np.array(finals).reshape(case.state_shape), rtol=1e-12)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("merge_mode", [None, "concat", "ave"])
def test_the_last_output(cell, merge_mode):
    """The final states of the last layer, put together; zeros for a row without steps."""
    lengths = LENGTHS.copy()
    case = make_case(cell, layers=2, merge_mode=merge_mode, lengths=lengths, return_sequences=False)
    trace = NumpyAdapter().run(case)
    last = trace.final_state[-case.directions :]
    wanted = {None: last[-1], "concat": np.hstack(last), "ave": sum(last) / 2}[merge_mode]
    np.testing.assert_allclose(trace.outputs, np.where(lengths[:, None] > 0, wanted, 0), rtol=1e-14)
    assert check(case, trace, of_numpy(case)).status == "match"
    trace.outputs[2] = wanted[2]
    assert check(case, trace, of_numpy(case)).reason.startswith("outputs is wrong")


@pytest.mark.parametrize("cell", GATES)
def test_masked_steps_are_as_if_they_were_not_there(cell):
    mask = np.random.default_rng(1).random((BATCH, TIME)) < 0.6
    case = make_case(cell, merge_mode="concat")
    case = replace(case, inputs=np.where(mask[..., None], case.inputs, np.nan), mask=mask)
    trace = NumpyAdapter().run(case)
    for row in range(BATCH):
        some = slice(row, row + 1)
        states = {
            name: array[:, some] for name, array in case.arrays().items() if name.startswith("initial_")
        }
        alone = NumpyAdapter().run(replace(case, inputs=case.inputs[some, mask[row]], mask=None, **states))
        np.testing.assert_allclose(trace.outputs[row, mask[row]], alone.outputs[0], rtol=1e-12)
        np.testing.assert_array_equal(trace.outputs[row, ~mask[row]], 0)
        np.testing.assert_allclose(trace.final_state[:, row], alone.final_state[:, 0], rtol=1e-12)
    assert check(case, trace, of_numpy(case)).status == "match"


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("merge_mode", [None, "concat", "sum"])
@pytest.mark.parametrize("observed", [True, False])
def test_right_answers_match_and_small_errors_do_not(cell, merge_mode, observed):
    case = make_case(cell, layers=2, merge_mode=merge_mode)
    trace = NumpyAdapter().run(case)
    trace = trace if observed else replace(trace, hidden_outputs=())
    assert check(case, trace, of_numpy(case)).status == "match"
    for array in trace.arrays().values():
        kept = array.copy()
        array[..., -1, 1] += 1e-9
        assert check(case, trace, of_numpy(case)).status == "mismatch"
        array[...] = kept


def test_the_wrong_layer_and_direction_are_named():
    case = make_case(layers=2, merge_mode="concat")
    trace = NumpyAdapter().run(case)
    trace.hidden_outputs[0][1, 3, HIDDEN_SIZE + 2] += 1e-6
    verdict = check(case, trace, of_numpy(case))
    assert verdict.reason == (
        "layer 0 backward: right after step 3, wrong there (steps run backwards); only batch rows 1 (of 4)"
    )
    assert str(verdict.first).startswith("layer 0 backward, batch 1, time 3, unit 2: ")
    backward, *above = case.more_weights
    wrong = replace(case, more_weights=(backward._replace(U=backward.U.T), *above))
    assert check(case, NumpyAdapter().run(wrong), of_numpy(case)).first.name == "layer 0 backward"


def test_states_of_the_other_direction_are_told():
    case = make_case(merge_mode="concat")
    trace = NumpyAdapter().run(case)
    verdict = check(case, replace(trace, final_state=trace.final_state[::-1].copy()), of_numpy(case))
    assert verdict.reason.startswith("forward final_state is not the last of the forward outputs")
    both = np.stack([trace.final_state[0]] * 2)
    assert check(case, replace(trace, final_state=both), of_numpy(case)).reason == (
        "backward final_state is the forward final_state, needs backward outputs[:, 0], "
        "the last step of a reverse layer"
    )


def test_what_is_carried_too_far_is_inconclusive_and_what_is_observed_is_not():
    """A tanh that may be off by 1500 ulps: enough for each step, but too much when they add up."""
    case = make_case(layers=2, dtype="float32")
    trace = NumpyAdapter().run(case)
    assert check(case, trace, ROUGH).status == "match"
    verdict = check(case, replace(trace, hidden_outputs=()), ROUGH)
    assert verdict.status == "inconclusive"
    assert "bounds are too wide to prove anything" in verdict.reason


def test_all_zeros_are_not_too_wide_to_prove_anything():
    case = make_case(activation="relu", layers=2)
    zeros = {name: np.zeros_like(array) for name, array in case.arrays().items() if "more" not in name}
    case = replace(case, **zeros)
    assert check(case, NumpyAdapter().run(case), of_numpy(case)).status == "match"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"merge_mode": "add"}, "merge_mode is 'add', needs one of concat, sum, mul, ave"),
        ({"more_weights": ()}, "more_weights has 0 cells beside the first, needs an odd number"),
        ({"reverse": True}, "reverse goes with one layer of one direction"),
        ({"merge_mode": "sum"}, r"more_weights\[1\].W has shape \(3, 6\), needs .* = \(3, 3\)"),
        (
            {"initial_state": np.zeros((4, 3))},
            r"initial_state has shape \(4, 3\), needs \(layers\*directions,",
        ),
        ({"b": None}, r"more_weights\[0\].b must be there where"),
        ({"mask": np.ones((4, 5))}, r"mask is float64 \(4, 5\), needs bools of shape \(batch, time\)"),
        ({"mask": np.ones((4, 5), bool), "lengths": LENGTHS}, "lengths and mask are two ways"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(make_case(layers=2, merge_mode="concat"), **changed)


def test_hidden_outputs_have_the_form_of_the_case():
    case = make_case(layers=3)
    trace = NumpyAdapter().run(case)
    one = replace(trace, hidden_outputs=trace.hidden_outputs[:1])
    assert (
        check(case, one, of_numpy(case)).reason
        == "hidden_outputs has 1 arrays, needs 2, one for each layer but the last"
    )
    wide = replace(trace, hidden_outputs=(trace.outputs, trace.outputs[..., :1]))
    assert (
        check(case, wide, of_numpy(case)).reason == "hidden_outputs[1] has shape (4, 5, 1), needs (4, 5, 3)"
    )
