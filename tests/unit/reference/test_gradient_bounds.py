"""The bounds on gradients hold: for float32, for any order of evaluation, for the true real numbers."""

from dataclasses import replace

import flint
import numpy as np
import pytest

from rnn_lockstep.reference import check_gradients, check_training, gradients
from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.gradients import gradients_in
from rnn_lockstep.reference.oracle.training import weights_of
from tests.unit.reference.evaluations import EVALUATIONS, Evaluation, backend_array
from tests.unit.reference.test_certified import SMALL, ULPS, balls, every_differentiated_layer, inside, radii
from tests.unit.reference.test_gradients import drawn_cotangents, every_layer_in_shapes, make


def rounded(case, cotangents):
    """Value and error of each gradient."""
    found = gradients(case, cotangents, Arithmetic(case.dtype, ULPS))
    return {name: (gradient.value, gradient.error) for name, gradient in found.items()}


def share(computed, bounds):
    """The largest error as a share of the one that is allowed."""
    assert list(computed) == list(bounds)
    return max(
        np.max(np.abs(np.asarray(computed[name], np.float64) - value) / np.where(error > 0, error, 1e-300))
        for name, (value, error) in bounds.items()
    )


@every_layer_in_shapes
def test_float32_lies_within_its_bound(cell, options, shape):
    """The oracle's lines are a correct backend on float32 arrays; on float64 arrays, one that rounds less."""
    case = make(cell, options, shape, "float32")
    cotangents = drawn_cotangents(case)
    bounds = rounded(case, cotangents)
    computed = gradients_in(np.asarray, case, cotangents)
    assert {array.dtype.name for array in computed.values()} == {"float32"}
    assert 1e-4 < share(computed, bounds) <= 1
    assert share(gradients(case, cotangents), bounds) < 1e-6
    assert share({name: 1.5 * array for name, array in computed.items()}, bounds) > 1


class WithBools(Evaluation):
    """An evaluation that does not flush the results of comparisons."""

    def flush(self, x):
        return x if x.dtype == bool else super().flush(x)


@every_differentiated_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_order_of_evaluation_leaves_the_bound(cell, options, dtype):
    case = make(cell, options, "2_layers", dtype, biases=2)
    cotangents = drawn_cotangents(case)
    bounds = rounded(case, cotangents)
    # A fused multiply-add in float64 is a fraction of integers, and slow.
    some = [e for e in EVALUATIONS if e.lanes in (1, 8) and e.order != "shuffled"]
    some = [e for e in some if dtype == "float32" or not e.fused]
    for e in some:
        convert = backend_array(WithBools(e.order, e.lanes, e.fused, e.flushed))
        assert share(gradients_in(convert, case, cotangents), bounds) <= 1, e


@every_differentiated_layer
@pytest.mark.parametrize("shape", ["two_biases", "reverse", "2_layers"])
def test_true_gradients_lie_within_the_error(cell, options, shape):
    """Exact balls enclose them; those of a U that is off by 1e-11 do not lie there."""
    case = make(cell, options, shape)
    cotangents = drawn_cotangents(case)
    bounds = rounded(case, cotangents)
    wrong = gradients(replace(case, U=case.U * (1 + 1e-11)), cotangents)
    with flint.ctx.workprec(212):
        enclosures = gradients_in(balls, case, cotangents)
        outside = 0
        for name, (value, error) in bounds.items():
            assert np.all(radii(enclosures[name]) <= SMALL * error)
            assert inside(enclosures[name], value, error).all()
            outside += np.count_nonzero(~inside(enclosures[name], wrong[name], error))
    assert outside


FACTORINGS = {
    "torch's tanh": ("tanh", lambda g, y: g * (1 - y * y)),
    "(1 - y)(1 + y)": ("tanh", lambda g, y: g * ((1 - y) * (1 + y))),
    "JAX's tanh": ("tanh", lambda g, y: (g + g * y) * (1 - y)),
    "g - g·y²": ("tanh", lambda g, y: g - g * y * y),
    "torch's sigmoid": ("sigmoid", lambda g, y: (g * (1 - y)) * y),
    "JAX's sigmoid": ("sigmoid", lambda g, y: g * (y * (1 - y))),
    "y - y²": ("sigmoid", lambda g, y: g * (y - y * y)),
    "g·y - g·y²": ("sigmoid", lambda g, y: g * y - g * y * y),
}


def near_one(rng, size):
    """Numbers of [0, 1], many of them within a few roundings of 0 or 1."""
    y = rng.random(size)
    y[::3] = 10.0 ** rng.uniform(-9, 0, y[::3].size)
    y[1::3] = 1 - 10.0 ** rng.uniform(-9, 0, y[1::3].size)
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("factoring", FACTORINGS)
def test_other_factorings_lie_within_the_bound(factoring, dtype):
    name, formula = FACTORINGS[factoring]
    rng, arithmetic = np.random.default_rng(0), Arithmetic(np.dtype(dtype))
    y, g = near_one(rng, 300_000).astype(dtype), rng.normal(size=300_000).astype(dtype)
    if name == "tanh":
        y *= rng.choice([-1, 1], y.size).astype(dtype)
    bound = ACTIVATIONS[name].through(Rounded(g, arithmetic), Rounded(y, arithmetic)).closed()
    assert share({"": formula(g, y)}, {"": (bound.value, bound.error)}) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_factorings_of_a_gru_lie_within_the_bound(dtype):
    rng, arithmetic = np.random.default_rng(0), Arithmetic(np.dtype(dtype))
    z, h = near_one(rng, 300_000).astype(dtype), rng.uniform(-1, 1, 300_000).astype(dtype)
    n = (h * (1 + 10.0 ** rng.uniform(-8, 1, h.size))).astype(dtype)
    g = rng.normal(size=h.size).astype(dtype)
    exact_z, exact_h, exact_n, exact_g = (Rounded(array, arithmetic) for array in (z, h, n, g))
    for other, bound in (
        (g * (h - n), exact_g * exact_h - exact_g * exact_n),
        (g - g * z, exact_g * (1 - exact_z)),
    ):
        assert share({"": other}, {"": (bound.closed().value, bound.closed().error)}) <= 1


def test_a_kink_that_rounding_may_cross_is_either_side():
    y = Rounded(np.array([0.0, 0.0, 1e-9, 0.5, 1.0, 1.0]), Arithmetic(np.dtype("float32")))
    y.error = np.array([0.0, 1e-9, 1e-9, 1e-9, 0.0, 1e-9])
    for slope, value, error in (
        (y > 0, [0, 0, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0]),
        (y < 1, [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1]),
    ):
        np.testing.assert_array_equal(slope.value, value)
        np.testing.assert_array_equal(slope.error, error)


def stored_at_every_step(terms):
    """The sum over the first axis of numbers in a half type, as a loop over time that keeps it in one."""
    total = np.zeros_like(terms[0])
    for term in terms:
        total = total + term
    return total


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_type_has_no_bound(dtype):
    """A loop that stores sums at every step leaves the bound on sums, so no verdict rests on it."""
    arithmetic = Arithmetic(np.dtype(dtype), {"tanh": FunctionError(1), "sigmoid": FunctionError(3)})
    terms = np.random.default_rng(0).uniform(0.5, 1, (600, 3)).astype(dtype)
    bound = (np.ones((1, 600)) @ Rounded(terms, arithmetic)).closed()
    assert share({"": stored_at_every_step(terms)[None]}, {"": (bound.value, bound.error)}) > 1
    case = make("simple_rnn", {}, dtype=dtype)
    answer = {name: np.zeros_like(array) for name, array in case.arrays().items()}
    assert check_gradients(case, drawn_cotangents(case), answer, arithmetic).status == "inconclusive"
    weights = [weights_of(case)]
    targets = np.zeros_like(case.inputs, shape=(case.batch, case.time, case.features))
    assert check_training(case, targets, 0.1, weights, arithmetic).status == "inconclusive"
