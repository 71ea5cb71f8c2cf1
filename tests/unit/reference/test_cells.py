"""GRU and LSTM, with peepholes too, by hand: scalar loops with the math module, gate by gate."""

import math

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Case, Trace, check
from rnn_lockstep.reference.oracle.activations import hard_sigmoid, hard_sigmoid_keras2
from rnn_lockstep.reference.oracle.cells import GATES
from tests.unit.reference.arithmetics import of_numpy

SIZE, INPUTS, BATCH, TIME = 3, 2, 2, 4


def make_case(cell, **options):
    """A case of random numbers with both biases and an initial state."""
    rng = np.random.default_rng(1)
    rows = len(GATES[cell]) * SIZE
    state = {"initial_state": rng.normal(size=(BATCH, SIZE))}
    if "lstm" in cell:
        state["initial_cell_state"] = rng.normal(size=(BATCH, SIZE))
    if cell == "peephole_lstm":
        options = {"peepholes": rng.normal(size=3 * SIZE), **options}
    return Case(
        *(rng.normal(size=s) for s in [(BATCH, TIME, INPUTS), (rows, INPUTS), (rows, SIZE), (rows,)]),
        cell=cell,
        recurrent_b=rng.normal(size=rows),
        **state,
        **options,
    )


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def parts(case, x, h, gate, unit):
    """The sums W·x + b and U·h + recurrent_b of one gate and unit."""
    row = GATES[case.cell].index(gate) * SIZE + unit
    from_input = sum(case.W[row, d] * x[d] for d in range(INPUTS)) + case.b[row]
    from_state = sum(case.U[row, j] * h[j] for j in range(SIZE)) + case.recurrent_b[row]
    return from_input, from_state


def gru_by_hand(case, x, h):
    """The state of a GRU after one step of one row."""
    r, z = ([sigmoid(sum(parts(case, x, h, gate, k))) for k in range(SIZE)] for gate in ("r", "z"))
    n = []
    for k in range(SIZE):
        from_input, from_state = parts(case, x, h, "n", k)
        if case.reset_after:
            n.append(math.tanh(from_input + r[k] * from_state))
        else:
            n.append(math.tanh(from_input + parts(case, x, np.multiply(r, h), "n", k)[1]))
    return [(1 - z[k]) * n[k] + z[k] * h[k] for k in range(SIZE)]


def coupled_lstm_by_hand(case, x, h, c):
    """The states h and c of an LSTM whose gate f is 1 - i after one step of one row."""
    i, o = ([sigmoid(sum(parts(case, x, h, gate, k))) for k in range(SIZE)] for gate in "io")
    g = [math.tanh(sum(parts(case, x, h, "g", k))) for k in range(SIZE)]
    c = [(1 - i[k]) * c[k] + i[k] * g[k] for k in range(SIZE)]
    return [o[k] * math.tanh(c[k]) for k in range(SIZE)], c


def clipped_lstm_by_hand(case, x, h, c):
    """The states h and c of an LSTM after one step of one row, its sums limited to [-1/2, 1/2], c not."""
    i, f, g, o = (
        [min(max(sum(parts(case, x, h, gate, k)), -0.5), 0.5) for k in range(SIZE)] for gate in "ifgo"
    )
    c = [sigmoid(f[k]) * c[k] + sigmoid(i[k]) * math.tanh(g[k]) for k in range(SIZE)]
    return [sigmoid(o[k]) * math.tanh(c[k]) for k in range(SIZE)], c


def lstm_by_hand(case, x, h, c):
    """The states h and c of an LSTM after one step of one row."""
    i, f, o = ([sigmoid(sum(parts(case, x, h, gate, k))) for k in range(SIZE)] for gate in "ifo")
    g = [math.tanh(sum(parts(case, x, h, "g", k))) for k in range(SIZE)]
    c = [f[k] * c[k] + i[k] * g[k] for k in range(SIZE)]
    return [o[k] * math.tanh(c[k]) for k in range(SIZE)], c


def peephole_lstm_by_hand(case, x, h, c):
    """The states h and c of an LSTM with peepholes after one step of one row."""
    z_i, z_f, z_g, z_o = ([sum(parts(case, x, h, gate, k)) for k in range(SIZE)] for gate in "ifgo")
    i, f = (
        [sigmoid(z[k] + case.peepholes[place * SIZE + k] * c[k]) for k in range(SIZE)]
        for place, z in enumerate((z_i, z_f))
    )
    c = [f[k] * c[k] + i[k] * math.tanh(z_g[k]) for k in range(SIZE)]
    o = [sigmoid(z_o[k] + case.peepholes[2 * SIZE + k] * c[k]) for k in range(SIZE)]
    return [o[k] * math.tanh(c[k]) for k in range(SIZE)], c


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru(reset_after):
    case = make_case("gru", reset_after=reset_after)
    outputs = NumpyAdapter().run(case).outputs
    for n in range(BATCH):
        h = case.h0[n]
        for t in range(TIME):
            h = gru_by_hand(case, case.inputs[n, t], h)
            np.testing.assert_allclose(outputs[n, t], h, rtol=1e-12)


@pytest.mark.parametrize(
    ("cell", "options", "by_hand"),
    [
        ("lstm", {}, lstm_by_hand),
        ("lstm", {"input_forget": True}, coupled_lstm_by_hand),
        ("lstm", {"clip": 0.5}, clipped_lstm_by_hand),
        ("peephole_lstm", {}, peephole_lstm_by_hand),
    ],
)
def test_lstm(cell, options, by_hand):
    case = make_case(cell, **options)
    trace = NumpyAdapter().run(case)
    for n in range(BATCH):
        h, c = case.h0[n], case.c0[n]
        for t in range(TIME):
            h, c = by_hand(case, case.inputs[n, t], h, c)
            np.testing.assert_allclose(trace.outputs[n, t], h, rtol=1e-12)
        np.testing.assert_allclose(trace.final_cell_state[n], c, rtol=1e-12)


def test_the_two_forms_of_the_gru_differ():
    outputs = [NumpyAdapter().run(make_case("gru", reset_after=after)).outputs for after in (True, False)]
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_the_hard_sigmoids():
    z = np.array([-4, -3, -2.5, -1.5, 0, 1.5, 2.5, 3, 4])
    np.testing.assert_allclose(hard_sigmoid(z), np.clip(z + 3, 0, 6) / 6, atol=1e-15)
    np.testing.assert_allclose(hard_sigmoid_keras2(z), [0, 0, 0, 0.2, 0.5, 0.8, 1, 1, 1], atol=1e-15)


@pytest.mark.parametrize("cell", ["gru", "lstm", "peephole_lstm"])
def test_the_first_wrong_step_is_named(cell):
    case = make_case(cell)
    trace = NumpyAdapter().run(case)
    trace.outputs[1, 2, 0] += 1e-9
    verdict = check(case, trace, of_numpy(case))
    assert verdict.status == "mismatch"
    assert (verdict.first.batch, verdict.first.time, verdict.first.unit) == (1, 2, 0)


def test_the_final_cell_state_is_checked():
    case = make_case("lstm")
    right = NumpyAdapter().run(case)
    wrong = {
        "needs the cell state c": right.final_state.copy(),
        "wrong though every step is right": right.final_cell_state + 1e-12,
    }
    for words, cell_state in wrong.items():
        verdict = check(case, Trace(right.outputs, right.final_state, cell_state), of_numpy(case))
        assert verdict.status == "mismatch"
        assert words in verdict.reason
    verdict = check(case, Trace(right.outputs, right.final_state), of_numpy(case))
    assert verdict.reason == "final_cell_state is a NoneType, needs a NumPy array"


def test_the_error_of_the_unobserved_cell_state_stays_small():
    """The bound, carried over 500 steps of a chaotic LSTM, does not grow; its median is below 1e-5."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in [(2, 500, 4), (4 * 32, 4), (4 * 32, 32), (4 * 32,)]]
    arrays[2] *= 4 / 32**0.5
    case = Case(*(array.astype(np.float32) for array in arrays), cell="lstm")
    verdict = check(case, NumpyAdapter().run(case), of_numpy(case))
    assert verdict.status == "match"
    assert verdict.median_bound < 1e-5
    bound = verdict.comparisons[0].bound
    assert bound[:, 400:].max() < 2 * bound[:, :100].max()


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        ("rnn", {}, "cell is 'rnn', needs one of simple_rnn, gru, lstm, peephole_lstm"),
        ("gru", {"activation": "swish"}, "activation is 'swish', needs one of tanh"),
        ("lstm", {"recurrent_activation": "swish"}, "recurrent_activation is 'swish', needs one of sigmoid"),
        ("lstm", {"initial_cell_state": None}, "initial_cell_state goes with the initial_state of an LSTM"),
        ("gru", {"W": np.ones((10, 2))}, r"W has shape \(10, 2\), needs a multiple of 3 rows"),
        ("lstm", {"U": np.ones((3, 3))}, r"U has shape \(3, 3\), needs \(4\*hidden_size, hidden_size\)"),
        ("gru", {"recurrent_b": np.ones(3)}, r"recurrent_b has shape \(3,\), needs \(3\*hidden_size,\)"),
        ("lstm", {"peepholes": np.ones(9)}, "peepholes is given, and a lstm has none"),
        ("peephole_lstm", {"peepholes": None}, "peepholes is missing, and a peephole_lstm has them"),
        (
            "peephole_lstm",
            {"peepholes": np.ones(12)},
            r"peepholes has shape \(12,\), needs \(3\*hidden_size,\)",
        ),
        (
            "peephole_lstm",
            {"projection": np.ones((2, 3))},
            "projection is given, and a peephole_lstm has none",
        ),
        ("lstm", {"input_forget": 1}, "input_forget is 1, needs True or False"),
        ("gru", {"input_forget": True}, "input_forget is True, and a gru has no gate f"),
        ("lstm", {"clip": 0.0}, "clip is 0.0, needs a positive float that float64 has exactly"),
        ("lstm", {"clip": 1}, "clip is 1, needs a positive float that float64 has exactly"),
        ("lstm", {"initial_cell_state": np.ones((3, 2))}, r"initial_cell_state has shape \(3, 2\)"),
    ],
)
def test_what_does_not_fit_is_named(cell, options, message):
    fields = vars(make_case("lstm" if cell == "rnn" else cell))
    with pytest.raises(ValueError, match=message):
        Case(**{**fields, "cell": cell, **options})
