"""The oracle itself, certified: it lies beside the true outputs, which exact ball arithmetic encloses.

A ball is a midpoint and a radius that surely hold a real number (Johansson, "Arb: efficient
arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Computers 66, 2017). The lines of
`reference.oracle.cells` run on arrays of them, at rising precision, until every ball is small.
"""

from typing import Any, NamedTuple

import flint
import numpy as np
import pytest
from flint import arb
from scipy.special import expit

from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.bound.nondecreasing import OWN_ULPS
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, elu, sigmoid, softsign
from rnn_lockstep.reference.oracle.cells import CELLS, GATES, Options, Weights

BATCH, TIME, SIZES = 2, 8, (3, 4)  # input_size, hidden_size
# The ulps of np.tanh, of SciPy's expit, and of the others as NumPy computes them.
ULPS = {
    "tanh": FunctionError(2),
    "sigmoid": FunctionError(4),
    "softsign": FunctionError(2),
    "elu": FunctionError(2),
}
SMALL = 2.0**-10  # a ball's radius, as a share of the error that is claimed
GATE_ACTIVATIONS = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2")
LAYERS = [  # the first of which are tried in every shape, see test_gradients.py
    *(("simple_rnn", {"activation": name}) for name in ("tanh", "relu")),
    *(
        ("gru", {"reset_after": after, "recurrent_activation": name})
        for after in (True, False)
        for name in GATE_ACTIVATIONS
    ),
    *(("lstm", {"recurrent_activation": name}) for name in GATE_ACTIVATIONS),
    ("lstm", {"projection": True}),
    *(("peephole_lstm", {"recurrent_activation": name}) for name in ("sigmoid", "hard_sigmoid")),
    *((cell, {"input_forget": True}) for cell in ("lstm", "peephole_lstm")),
]
IN_EVERY_SHAPE = len(LAYERS)
LAYERS += [
    *(("simple_rnn", {"activation": name}) for name in ACTIVATIONS if name not in ("tanh", "relu")),
    *((cell, {"activation": name}) for cell in ("gru", "lstm") for name in ACTIVATIONS if name != "tanh"),
    ("gru", {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
    ("lstm", {"recurrent_activation": "softsign"}),
    *(("peephole_lstm", {"activation": name}) for name in ("relu", "softsign")),
]
CLIPPED = [(cell, {"clip": 0.5}) for cell in CELLS]  # which have no gradients


def words(value):
    """The name of a parameter: of options, their values."""
    return value if isinstance(value, str) else "-".join(map(str, value.values()))


every_layer = pytest.mark.parametrize(("cell", "options"), [*LAYERS, *CLIPPED], ids=words)
every_differentiated_layer = pytest.mark.parametrize(("cell", "options"), LAYERS, ids=words)


# NumPy's own compare, and a ball that holds 0 is neither larger nor smaller than it.
EXTREMES = {np.maximum: np.frompyfunc(arb.max, 2, 1), np.minimum: np.frompyfunc(arb.min, 2, 1)}


class Balls(np.ndarray):
    """An object array of balls. NumPy calls their own operations, for all but the extremes."""

    def __array_ufunc__(self, ufunc, method, *operands, **options):
        plain = (x.view(np.ndarray) if isinstance(x, Balls) else x for x in operands)
        return getattr(EXTREMES.get(ufunc, ufunc), method)(*plain, **options).view(Balls)


def balls(array):
    """The same numbers, exactly."""
    return np.frompyfunc(arb, 1, 1)(array).view(Balls)


class Unrounded(Arithmetic):
    """A backend that hardly rounds: what its bound still allows is the oracle's own error, in float64."""

    unit = 2.0**-200


ARITHMETICS = {name: Arithmetic(np.dtype(name), ULPS) for name in ("float32", "float64")}
ARITHMETICS["unrounded"] = Unrounded(np.dtype("float64"), ULPS)


class Layer(NamedTuple):
    """A layer with its inputs (time, batch, D) and its state before them."""

    cell: str
    options: dict[str, Any]
    weights: Weights
    inputs: np.ndarray
    start: tuple[np.ndarray, ...]

    def states(self, convert):
        """The state after each step, in the arithmetic that `convert` makes an array one of."""
        weights = Weights(*(None if w is None else convert(w) for w in self.weights))
        state, states = tuple(convert(array) for array in self.start), []
        for x_t in self.inputs:
            options = {name: value for name, value in self.options.items() if name in Options._fields}
            state = CELLS[self.cell].step(convert(x_t), state, weights, Options(**options))
            states.append(state)
        return states

    def plain(self):
        """The oracle's states."""
        return np.array(self.states(np.asarray))

    def rounded(self, arithmetic):
        """Value and error of each state, the error carried from step to step."""
        states = self.states(lambda array: Rounded(array, arithmetic))
        closed = [[part.closed() for part in state] for state in states]
        return tuple(np.array([[getattr(p, x) for p in s] for s in closed]) for x in ("value", "error"))

    def enclosed(self, error):
        """The true states as balls that are small beside `error`."""
        for bits in (53 * 2**k for k in range(6)):
            with flint.ctx.workprec(bits):
                enclosures = np.array(self.states(balls)).view(Balls)
            if np.all(radii(enclosures) <= SMALL * error):
                return enclosures
        raise AssertionError(f"the balls are still too large at {bits} bits")


def radii(enclosures):
    return np.frompyfunc(arb.rad, 1, 1)(enclosures)


def drawn(cell, options, biases, seed=0, scale=1.0, batch=BATCH, time=TIME, sizes=SIZES, dtype=np.float64):
    """A layer with random weights, inputs and state, of which `scale` says how saturated they are."""
    rng = np.random.default_rng(seed)
    input_size, hidden_size = sizes
    rows = len(GATES[cell]) * hidden_size
    shapes = [(rows, input_size), (rows, hidden_size), *[(rows,)] * biases]
    weights = Weights(*(rng.normal(scale=0.5, size=shape).astype(dtype) for shape in shapes))
    if "projection" in options:
        projection = rng.normal(scale=0.5, size=(hidden_size, hidden_size)).astype(dtype)
        weights = weights._replace(projection=projection)
    if gates := len(CELLS[cell].peepholes):
        peepholes = rng.normal(scale=0.5, size=gates * hidden_size).astype(dtype)
        weights = weights._replace(peepholes=peepholes)
    inputs = rng.normal(scale=scale, size=(time, batch, input_size)).astype(dtype)
    parts = len(CELLS[cell].states)
    start = tuple(rng.normal(scale=scale, size=(parts, batch, hidden_size)).astype(dtype))
    return Layer(cell, options, weights, inputs, start)


def inside(enclosures, values, error):
    """Tell where the true number is surely no further than `error` from the value."""
    return np.asarray(np.abs(enclosures - values) <= error)


def test_a_ball_across_zero_is_not_cut_off():
    """NumPy's own maximum would cut it off: its answer is 0 without a radius."""
    across = np.array([arb(0, 1)], dtype=object)
    assert np.maximum(across, 0)[0] == 0
    assert np.maximum(across.view(Balls), 0)[0].contains(1)
    assert np.minimum(across.view(Balls), 0)[0].contains(-1)


@every_layer
@pytest.mark.parametrize("biases", [0, 1, 2])
def test_a_trajectory_lies_within_the_error_it_claims(cell, options, biases):
    layer = drawn(cell, options, biases)
    _, error = layer.rounded(Arithmetic(np.dtype("float64"), ULPS))
    assert error.max() < 1e-10
    assert inside(layer.enclosed(error), layer.plain(), error).all()


@every_layer
def test_a_formula_off_by_1e_12_lies_outside(cell, options):
    layer = drawn(cell, options, 2)
    _, error = layer.rounded(Arithmetic(np.dtype("float64"), ULPS))
    wrong = layer._replace(weights=layer.weights._replace(W=layer.weights.W * (1 + 1e-12)))
    assert not inside(layer.enclosed(error), wrong.plain(), error).all()


def test_the_bound_without_a_backends_rounding_is_smaller():
    """The next test tries what is left of it."""
    layer = drawn("simple_rnn", {}, 1, time=1)
    own, whole = (layer.rounded(ARITHMETICS[name])[1] for name in ("unrounded", "float64"))
    assert (own < 0.8 * whole).all()


@every_layer
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_step_lies_within_the_error_of_its_bound(cell, options, scale, arithmetic):
    """The error is tried also where the bound is for nothing but the oracle's own rounding."""
    arithmetic = ARITHMETICS[arithmetic]
    for seed in range(12):
        # The fewer the terms, the less there is to spare: a single unit in many rows is the sharpest.
        batch, sizes = ((200, (1, 1)), (BATCH, SIZES))[seed % 2]
        shapes = {"batch": batch, "time": 1, "sizes": sizes}
        layer = drawn(cell, options, seed % 3, seed, scale=scale, dtype=arithmetic.dtype, **shapes)
        value, error = layer.rounded(arithmetic)
        assert inside(layer.enclosed(error), value, error).all()


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "elu"])
def test_errors_that_grow_are_carried(activation):
    """A step h' = activation(1.9·h - b) keeps h where it is and makes every earlier error larger."""
    h = np.full((1, 1), 0.2)
    b = 1.9 * h[0] - (np.arctanh(h[0]) if activation == "tanh" else h[0])
    weights = Weights(np.zeros((1, 1)), np.full((1, 1), 1.9), -b)
    layer = Layer("simple_rnn", {"activation": activation}, weights, np.zeros((24, 1, 1)), (h,))
    _, error = layer.rounded(Arithmetic(np.dtype("float64"), ULPS))
    enclosures, values = layer.enclosed(error), layer.plain()
    assert error.max() < 1e-8
    assert inside(enclosures, values, error).all()
    assert not inside(enclosures, values, 100 * error[0]).all()


@pytest.mark.parametrize(
    ("function", "formula", "claimed"),
    [
        (np.tanh, np.tanh, "tanh"),
        (expit, sigmoid, "sigmoid"),
        (softsign, softsign, "softsign"),
        (elu, elu, "elu"),
    ],
    ids=["tanh", "expit", "softsign", "elu"],
)
def test_our_own_functions_keep_their_ulps(function, formula, claimed):
    """Each function keeps the ulps claimed for it, and those of the bound with one to spare.

    The bound is the distance of one call to another, and starts from the first as it is. Only the second
    call's error counts, and the rounding of the distance.
    """
    rng = np.random.default_rng(0)
    below = np.ldexp(rng.uniform(-1, 1, 4000), rng.integers(-1020, 0, 4000))
    z = np.concatenate(
        [below, *(rng.uniform(-size, size, 4000) for size in (1, 5, 40)), rng.uniform(-708, -40, 4000)]
    )
    with flint.ctx.workprec(128):
        off = np.abs(formula(balls(z)) - function(z)) / np.spacing(np.abs(function(z)))
    assert (off <= min(ULPS[claimed].ulps, OWN_ULPS - 1)).all()
    assert (off >= 0.5).any()
