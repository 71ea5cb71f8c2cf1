"""The rounding arithmetic is sound (no correct evaluation outside) and tight (not far outside it)."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from scipy.special import expit

from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.bound.nondecreasing import CLOSE, LOST, SLOPES, smooth
from rnn_lockstep.reference.bound.rounding import Rounded
from tests.faults.correct import CORRECT

DTYPES = ("float32", "float64")


def kinds_of_data(rng, dtype, terms):
    """Operands (64, terms) of sums of products: random, structured and extreme."""
    shape = (64, terms)
    constant = np.full(shape, 0.1)
    alternating = constant * (-1.0) ** np.arange(terms)
    tiny = np.where(rng.random(shape) < 0.5, np.finfo(dtype).smallest_normal / 3, 1.0)
    huge = np.where(tiny < 1, np.finfo(dtype).max / (4 * terms), rng.normal(size=shape))
    pairs = {
        "random": (rng.normal(size=shape), rng.normal(size=shape)),
        "constant": (constant, np.full(shape, 0.7)),
        "alternating": (alternating, constant),
        "wide": (np.exp(rng.normal(scale=8, size=shape)), rng.normal(size=shape)),
        "subnormal times huge": (tiny, huge),
    }
    return {name: (a.astype(dtype), b.astype(dtype)) for name, (a, b) in pairs.items()}


def exact_sums(a, b):
    """The true sums of products, as fractions."""
    return [
        sum(Fraction(x) * Fraction(y) for x, y in zip(*rows, strict=True))
        for rows in zip(a.tolist(), b.tolist(), strict=True)
    ]


def bound_of(a, b):
    """Value and bound of each row's sum of products, by way of `@`."""
    arithmetic = Arithmetic(a.dtype, {"tanh": FunctionError(0)})
    sums = [
        (Rounded(row[None], arithmetic) @ Rounded(column[:, None], arithmetic)).closed()
        for row, column in zip(a, b, strict=True)
    ]
    return [(float(s.value.item()), float(s.error.item())) for s in sums]


def permuted_order(a, b):
    """The sum of products in a random order."""
    order = np.random.default_rng(5).permutation(a.shape[-1])
    return CORRECT["sequential"](a[..., order], b[..., order])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("terms", [1, 2, 5, 33])
def test_no_order_of_summation_leaves_the_bound(dtype, terms):
    """The bound is tight, too: some evaluation comes within a factor of 8 of it (4 for few terms)."""
    rng = np.random.default_rng(terms)
    closest = 0.0
    for name, (a, b) in kinds_of_data(rng, dtype, terms).items():
        exact, bounds = exact_sums(a, b), bound_of(a, b)
        for order, evaluate in {**CORRECT, "permuted": permuted_order}.items():
            with np.errstate(all="ignore"):
                computed = evaluate(a, b)
            for value, true, (ours, bound) in zip(computed.tolist(), exact, bounds, strict=True):
                off = abs(Fraction(value) - true)
                # The oracle's own value may be off as well, so only their distance is bounded.
                assert abs(Fraction(value) - Fraction(ours)) <= Fraction(bound), (name, order)
                closest = max(closest, float(off / Fraction(bound)))
    assert closest > 1 / (4 if terms < 10 else 8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_is_numpys_spacing(dtype):
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [
            rng.normal(size=100) * 10.0 ** rng.integers(-30, 30, 100),
            [0.0, 1.0, -1.0, 1 - info.epsneg, info.smallest_normal, info.smallest_subnormal],
        ]
    ).astype(dtype)
    ulps = Arithmetic(np.dtype(dtype)).ulp(values.astype(np.float64))
    np.testing.assert_array_equal(ulps, np.abs(np.spacing(values)).astype(np.float64))


@pytest.mark.parametrize("ulps", [0.0, 2.0, 8.0])
def test_tanh_allows_its_argument_and_its_ulps_and_no_more(ulps):
    """The bound is what the argument's error makes of tanh, plus the ulps, from tiny to saturated."""
    z = np.concatenate([-np.logspace(-30, 1.5, 200), [0.0], np.logspace(-30, 1.5, 200)])
    for relative in (1e-7, 1e-3, 1.0, 3.0):
        arithmetic = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(ulps)})
        error = np.abs(z) * relative + 1e-35
        bounded = np.tanh(Rounded(z, arithmetic, error))
        reached = np.maximum(*(np.abs(np.tanh(z + s * error) - np.tanh(z)) for s in (-1, 1)))
        allowed = reached + ulps * arithmetic.ulp(np.minimum(np.abs(np.tanh(z)) + reached, 1))
        assert np.all(bounded.error >= allowed * (1 - 1e-12))
        assert np.all(bounded.error <= allowed * (1 + 1e-6) + 1e-15 * np.abs(bounded.value) + 2.4e-38)


def test_relu_passes_on_what_it_does_not_clip():
    z = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 3.0])
    bounded = np.maximum(Rounded(z, Arithmetic(np.dtype("float32")), error=np.full(6, 1.0)), 0)
    np.testing.assert_array_equal(bounded.value, [0, 0, 0, 0, 0.5, 3])
    np.testing.assert_array_equal(bounded.error, [0, 0, 0.5, 1, 1, 1])


def test_possible_overflow_leaves_nothing_known():
    """The order of a sum decides if it overflows on the way."""
    arithmetic = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(2)})
    row = Rounded(np.array([[3e38, 3e38, -3e38]]), arithmetic)
    pending = row @ Rounded(np.ones((3, 1)), arithmetic)
    assert np.isinf(pending.closed().error).all()
    assert np.isinf(np.tanh(pending).error).all()


def test_operands_are_wrapped_and_unknown_operations_refused():
    arithmetic = Arithmetic(np.dtype("float32"), {"tanh": FunctionError(2)})
    exact = Rounded(np.ones((2, 3)), arithmetic)
    for product in (exact @ np.ones((3, 4)), np.ones((4, 2)) @ exact):
        assert product.terms in (2, 3)
        assert (product.closed().error > 0).all()
    with pytest.raises(TypeError):
        np.sin(exact)


SMOOTH = {"tanh": (np.tanh, arb.tanh), "sigmoid": (expit, lambda z: 1 / (1 + (-z).exp()))}


@pytest.mark.parametrize("error", [2.0**-50, 2.0**-24, CLOSE])
@pytest.mark.parametrize("name", SMOOTH)
def test_slope_bounds_what_an_error_does(name, error):
    """The slope's P is no less than the true one, in ball arithmetic, and hardly more."""
    function, exact = SMOOTH[name]
    z = np.concatenate([np.linspace(-40, 40, 801), np.random.default_rng(0).normal(size=200)])
    found = smooth(
        function, SLOPES[name], Rounded(z, Arithmetic(np.dtype("float64")), np.full(z.shape, error))
    )
    flint.ctx.prec = 300
    for x, bound in zip(z.tolist(), found.error.tolist(), strict=True):
        middle = exact(arb(x))
        farthest = max(exact(arb(x) + error) - middle, middle - exact(arb(x) - error))
        assert farthest <= bound
        assert bound <= 1.001 * farthest + 2 * LOST * error * (1 if name == "tanh" else middle)
