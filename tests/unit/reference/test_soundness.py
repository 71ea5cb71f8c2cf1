"""The rounding arithmetic is sound: no correct evaluation leaves its bound, however it adds up."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from rnn_lockstep.reference import Case, Trace, check
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.cells import CELLS, GATES, Weights
from rnn_lockstep.reference.oracle.engine import PLAIN
from tests.faults.correct import CORRECT
from tests.unit.reference.evaluations import (
    EVALUATIONS,
    OPERATIONS,
    Evaluation,
    backend_array,
    fused_multiply_add,
)
from tests.unit.reference.test_certified import CLIPPED, LAYERS, ULPS, Layer

COMPUTED = ("float32", "float64")  # dtypes to compute in; a half type's numbers become float32 for that
HALF = ("float16", "bfloat16")
DTYPES = (*COMPUTED, *HALF)
BATCH, UNITS = 4, 5
SIZES = ((1, 1), (3, 5), (64, 66))  # input_size, hidden_size: with a bias 3, 9 and 131 terms


# Kinds of data: weights (rows, terms) and what they are multiplied by (batch, terms), in float64.


def random(rng, info, shape, operands):
    """Normal numbers."""
    return rng.normal(size=shape), rng.normal(size=operands)


def repeated(rng, info, shape, operands):
    """Equal products, whose rounding errors have one sign in long runs."""
    return np.full(shape, 1 / 3), np.full(operands, 1 / 3)


def alternating(rng, info, shape, operands):
    """Weights of alternating sign, whose sums cancel."""
    return np.resize([0.1, -0.3], shape), np.full(operands, 0.7)


def swamped(rng, info, shape, operands):
    """A product that is rounded by half a unit, then terms that are each just too small to change it."""
    weights, others = np.full(shape, info.eps / 2), np.ones(operands)
    weights[:, 0] = others[:, 0] = 1 + info.eps * np.floor((0.49 / info.eps) ** 0.5)
    return weights, others


def cancelling(rng, info, shape, operands):
    """Pairs of products which are almost each other's opposites."""
    weights, others = random(rng, info, shape, operands)
    half = shape[-1] // 2
    weights[:, half : 2 * half] = -weights[:, :half] * (1 + 4 * info.eps)
    others[:, half : 2 * half] = others[:, :half]
    return weights, others


def subnormal_times_huge(rng, info, shape, operands):
    """Products of ordinary size, lost where a subnormal number is read as zero."""
    weights, others = random(rng, info, shape, operands)
    for array, tiny, huge in ((weights, 0, 1), (others, 1, 0)):
        array[:, tiny::3] = rng.uniform(0.1, 0.9, array[:, tiny::3].shape) * info.smallest_normal
        array[:, huge::3] = info.max / (8 * shape[-1])
    weights[:, -1] = 1  # the bias: a huge one would be the largest term by far
    return weights, others


def underflowing(rng, info, shape, operands):
    """Normal numbers whose products are not: all of them are lost where these are flushed."""
    root = float(info.smallest_normal) ** 0.5
    weights, others = (rng.uniform(0.5, 1, size) * root for size in (shape, operands))
    weights[:, -1] *= root  # the bias
    return weights, others


KINDS = (random, repeated, alternating, swamped, cancelling, subnormal_times_huge, underflowing)


def drawn(kind, dtype, rows, sizes, seed=0):
    """Weights and inputs and state of a kind, in the dtype: W, U and b, x and h."""
    input_size, hidden_size = sizes
    terms = input_size + hidden_size + 1
    rng, info = np.random.default_rng(seed), ml_dtypes.finfo(dtype)
    weights, others = kind(rng, info, (rows, terms), (BATCH, terms))
    W, U, b = np.split(weights.astype(dtype), [input_size, terms - 1], axis=1)
    return Weights(W, U, b[:, 0]), *np.split(others.astype(dtype)[:, :-1], [input_size], axis=1)


def sums(kind, dtype, sizes):
    """The sum W·x + U·h + b as a bound (value and error), and its two factors with all the terms of it."""
    weights, x, h = drawn(kind, dtype, UNITS, sizes)
    arithmetic = Arithmetic(np.dtype(dtype))
    bounded = (
        Rounded(x, arithmetic) @ weights.W.T + Rounded(h, arithmetic) @ weights.U.T + weights.b
    ).closed()
    rows = np.concatenate([weights.W, weights.U, weights.b[:, None]], axis=1)
    others = np.concatenate([x, h, np.ones_like(h[:, :1])], axis=1)[:, None]
    return bounded, *(array.astype("float32") if dtype in HALF else array for array in (others, rows))


def answered(computed, dtype):
    """The numbers that a backend shows: rounded to the case's dtype, here as float64."""
    return np.asarray(computed).astype(dtype).astype(np.float64)


def share(computed, bounded):
    """The error as a share of the one that is allowed, elementwise."""
    return np.abs(answered(computed, bounded.arithmetic.dtype) - bounded.value) / bounded.error


def in_parts(evaluation, kind, dtype, sizes):
    """The same sum as a half type's backend has it: W·x, U·h, their sum and that with the bias are stored."""
    weights, x, h = drawn(kind, dtype, UNITS, sizes)
    x, h, W, U, b = map(backend_array(evaluation, dtype), (x, h, *weights[:3]))
    return x @ W.T + h @ U.T + b


def half(dtype):
    """The dtype if it is a half type, else None."""
    return dtype if dtype in HALF else None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_no_evaluation_of_a_sum_leaves_the_bound(dtype, kind, sizes):
    bounded, a, b = sums(kind, dtype, sizes)
    for evaluate in (*EVALUATIONS, *CORRECT.values()):
        assert share(evaluate(a, b), bounded).max() <= 1, evaluate


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES[:2], ids=str)
def test_no_sum_that_is_stored_on_its_way_leaves_the_bound(dtype, kind, sizes):
    bounded, _, _ = sums(kind, dtype, sizes)
    for evaluation in EVALUATIONS:
        assert share(in_parts(evaluation, kind, dtype, sizes), bounded).max() <= 1, evaluation


@pytest.mark.parametrize("dtype", COMPUTED)
@pytest.mark.parametrize(
    ("kind", "least"),
    [(repeated, 0.15), (swamped, 0.99), (subnormal_times_huge, 0.99), (underflowing, 0.25)],
)
def test_some_plain_loop_comes_near_the_bound(dtype, kind, least):
    """Nearly half of a float64 bound is for the oracle's own sum, which may be off the same way."""
    loops = [
        Evaluation(order, flushed=flush) for order in ("in order", "reversed") for flush in (False, True)
    ]
    nearest = max(
        share(loop(a, b), bounded).max()
        for bounded, a, b in (sums(kind, dtype, sizes) for sizes in SIZES)
        for loop in loops
    )
    assert nearest >= (least if dtype != "float64" else least / 5)


@pytest.mark.parametrize("dtype", HALF)
def test_stores_come_near_the_bound(dtype):
    """Three sums are rounded down: 1 and a little more, and two numbers just too small to change it."""
    bounded, _, _ = sums(swamped, dtype, SIZES[0])
    assert share(in_parts(Evaluation(), swamped, dtype, SIZES[0]), bounded).max() >= 0.6


@pytest.mark.parametrize("dtype", HALF)
def test_a_sum_is_stored_once_more_where_that_is_said(dtype):
    """Each of five stores loses a number just too small to change 1: one more than other sums have."""
    arithmetic = Arithmetic(np.dtype(dtype))
    small = float(np.array(0.96 * arithmetic.unit).astype(dtype))
    assert np.array(1 + small).astype(dtype) == 1
    total = Rounded(1.0, arithmetic)
    for _ in range(5):
        total = total + Rounded(small, arithmetic)
    assert total.closed().error < 5 * small < total.stored_again().closed().error


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("size", [2.0**-13, 2.0**-4])
def test_a_state_kept_in_float32_is_no_mismatch(dtype, size):
    """A state of 2⁻²⁶ is shown as 0 in float16, and 64 of those that are kept add up."""
    shapes = {(1, 4, 1): size, (64, 1): size, (64, 64): 1}
    arrays = [np.full(shape, number).astype(dtype) for shape, number in shapes.items()]
    kept = PLAIN.answer(Case(*(array.astype(np.float32) for array in arrays), b=None))
    shown = Trace(kept.outputs.astype(dtype), kept.final_state.astype(dtype))
    verdict = check(Case(*arrays, b=None), shown, Arithmetic(np.dtype(dtype), ULPS))
    assert verdict.status == "match", verdict


@given(
    layer=st.sampled_from([*LAYERS, *CLIPPED]),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(KINDS),
    sizes=st.sampled_from((*SIZES[:2], (12, 21))),
    biases=st.integers(0, 2),
    evaluation=st.sampled_from(EVALUATIONS),
    stored=st.sets(st.sampled_from(OPERATIONS)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=600)
def test_no_evaluation_of_a_cell_leaves_the_bound(
    layer, dtype, kind, sizes, biases, evaluation, stored, seed
):
    """The cell's own lines, on a backend's arrays, of which `@` adds up as the evaluation does.

    stored: the operations whose results a backend stores in a half type; it may keep others in float32.
    """
    cell, options = layer
    weights, x, h = drawn(kind, dtype, len(GATES[cell]) * sizes[1], sizes, seed)
    given_biases = (weights.b, weights.b[::-1])[:biases]
    start = (h,) * len(CELLS[cell].states)
    own = Weights(weights.W, weights.U, *given_biases)
    if gates := len(CELLS[cell].peepholes):
        own = own._replace(peepholes=np.resize(weights.b[::-1], gates * sizes[1]))
    layer = Layer(cell, options, own, x[None], start)
    value, error = layer.rounded(Arithmetic(np.dtype(dtype), ULPS))
    [computed] = layer.states(backend_array(evaluation, half(dtype), stored))
    assert np.isfinite(error).all()
    assert np.all(np.abs(answered(computed, dtype) - value[0]) <= error[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_product_of_arrays_leaves_the_bound(dtype, kind):
    weights, x, _ = drawn(kind, dtype, BATCH, SIZES[-1])
    bounded = (Rounded(x, Arithmetic(np.dtype(dtype))) * weights.W + weights.b[:, None]).closed()
    for flushed in (False, True):
        convert = backend_array(Evaluation(flushed=flushed), half(dtype))
        a, b, c = map(convert, (x, weights.W, weights.b[:, None]))
        assert share(a * b + c, bounded).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [np.tanh, expit], ids=["tanh", "expit"])
def test_no_function_leaves_the_bound(dtype, function):
    """NumPy's and SciPy's own functions stay inside, from subnormal to saturated, flushed and not."""
    smallest = Arithmetic(np.dtype(dtype)).smallest_subnormal
    z = np.geomspace(smallest, -2 * np.log(smallest), 4000).astype(dtype)
    z = np.concatenate([z, -z, np.linspace(np.log(smallest), 0, 4000).astype(dtype)])
    bounded = function(Rounded(z, Arithmetic(np.dtype(dtype), ULPS)))
    for flushed in (False, True):
        convert = backend_array(Evaluation(flushed=flushed), half(dtype))
        assert share(function(convert(z)), bounded).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_factored_sum_of_products_stays_in_the_bound(dtype):
    """The GRU of torch computes n + z∘(h - n) for (1 - z)∘n + z∘h."""
    rng = np.random.default_rng(0)
    z = rng.random(100_000).astype(dtype)
    n, h = (rng.uniform(-1, 1, z.size) * 10.0 ** -rng.integers(0, 6, z.size) for _ in range(2))
    n, h = n.astype(dtype), h.astype(dtype)
    exact_z = Rounded(z, Arithmetic(np.dtype(dtype)))
    bounded = ((1 - exact_z) * n + exact_z * h).closed()
    z, n, h = map(backend_array(Evaluation(), half(dtype)), (z, n, h))
    assert share(n + z * (h - n), bounded).max() <= 1


@pytest.mark.parametrize("dtype", COMPUTED)
def test_fused_multiply_add_rounds_once(dtype):
    """No neighbour is nearer to the exact result, though a rounded float64 sum may say so."""
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    a, b, c = (rng.normal(size=500) for _ in range(3))
    c[100:300] = -(a * b)[100:300] * (1 + rng.normal(size=200) * eps)
    c[300:400] *= 1e-9
    a[:2], b[:2], c[:2] = 1 + eps, (1 - eps) * eps / 2, [1, 1 + eps]  # just below half-way
    a, b, c = (array.astype(dtype) for array in (a, b, c))
    computed = fused_multiply_add(a, b, c)
    below, above = (np.nextafter(computed, computed.dtype.type(side)) for side in (-np.inf, np.inf))
    columns = ([Fraction(x) for x in array.tolist()] for array in (a, b, c, computed, below, above))
    for x, y, z, ours, *others in zip(*columns, strict=True):
        exact = x * y + z
        assert all(abs(ours - exact) <= abs(other - exact) for other in others)


@pytest.mark.parametrize("dtype", COMPUTED)
def test_the_evaluations_are_what_they_say(dtype):
    """The evaluations agree with those written down one by one, where there is one."""
    _, a, b = sums(random, dtype, SIZES[-1])
    same = {
        "sequential": Evaluation(),
        "reversed_order": Evaluation("reversed"),
        "eight_lanes": Evaluation(lanes=8),
        "flushing": Evaluation(flushed=True),
    }
    for name, evaluation in same.items():
        np.testing.assert_array_equal(evaluation(a, b), CORRECT[name](a, b))
    different = [evaluation(a, b).tobytes() for evaluation in EVALUATIONS if not evaluation.flushed]
    assert len(set(different)) > len(different) // 2


def test_a_forget_gate_that_is_the_sigmoid_of_the_negated_sum_is_as_right_as_1_minus_i():
    """With coupled gates: its error is that of a value near 1, where the gate i has that of a small one."""
    units, dtype = 64, np.dtype("float32")
    b = np.zeros(4 * units, dtype)
    b[:units] = -np.random.default_rng(1).uniform(2, 12, units)
    c = np.full((1, units), 0.98, dtype)
    weights = (np.zeros((4 * units, 1), dtype), np.zeros((4 * units, units), dtype), b)
    states = {"initial_state": np.zeros_like(c), "initial_cell_state": c}
    case = Case(np.zeros((1, 1, 1), dtype), *weights, cell="lstm", input_forget=True, **states)
    arithmetic = Arithmetic(dtype)
    for ulps in (0, arithmetic.error_of("sigmoid").ulps - 0.5):
        f = (1 / (1 + np.exp(b[:units].astype(np.float64)))).astype(dtype)
        f -= (ulps * np.spacing(f)).astype(dtype)
        new = f * c
        h = np.float32(0.5) * np.tanh(new)
        assert check(case, Trace(h[:, None], h, new), arithmetic).status == "match"
