"""The gradients are the derivatives of the answer, and the bounds on them hold.

Two witnesses that share no line with the backward pass: central differences and, where the cell is
smooth, complex steps, whose derivative is exact to rounding (Squire and Trapp, "Using complex variables
to estimate derivatives of real functions", SIAM Review 40, 1998). Both look at the derivative along
random directions, which one wrong element would change.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.reference import Cotangents, gradients
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.engine import PLAIN
from tests.unit.reference.test_certified import IN_EVERY_SHAPE, LAYERS, ULPS, words
from tests.unit.reference.test_stacks import BATCH, TIME, make_case

LENGTHS = np.array([TIME, 2, 0, 3])
MASK = np.random.default_rng(1).random((BATCH, TIME)) < 0.6
SHAPES = {
    "plain": {},
    "no_biases": {"biases": 0},
    "two_biases": {"biases": 2},
    "lengths": {"lengths": LENGTHS},
    "mask": {"mask": MASK},
    "reverse": {"reverse": True},
    "reverse_lengths": {"reverse": True, "lengths": LENGTHS},
    "concat": {"merge_mode": "concat"},
    "sum": {"merge_mode": "sum"},
    "mul_mask": {"merge_mode": "mul", "mask": MASK},
    "ave_lengths": {"merge_mode": "ave", "lengths": LENGTHS, "biases": 2},
    "2_layers": {"layers": 2},
    "3_layers_mul": {"layers": 3, "merge_mode": "mul"},
    "2_layers_concat_lengths": {"layers": 2, "merge_mode": "concat", "lengths": LENGTHS, "biases": 2},
    "last_output": {"return_sequences": False},
    "last_output_reverse_mask": {"return_sequences": False, "reverse": True, "mask": MASK},
    "last_output_2_layers_mul": {
        "layers": 2,
        "merge_mode": "mul",
        "return_sequences": False,
        "lengths": LENGTHS,
    },
    "last_output_concat": {"merge_mode": "concat", "return_sequences": False},
}
# The shapes in which all activations are tried: gradients ask an activation for its slope, wherever it is.
FEW_SHAPES = ("two_biases", "reverse_lengths", "2_layers", "last_output_concat")
IN_SHAPES = [
    (cell, options, shape)
    for k, (cell, options) in enumerate(LAYERS)
    for shape in (SHAPES if k < IN_EVERY_SHAPE else FEW_SHAPES)
]
KINKED = {"relu", "hard_sigmoid", "hard_sigmoid_keras2"}
SMOOTH = [each for each in IN_SHAPES if not KINKED & {*each[1].values()}]
every_layer_in_shapes = pytest.mark.parametrize(("cell", "options", "shape"), IN_SHAPES, ids=words)
every_smooth_layer_in_shapes = pytest.mark.parametrize(("cell", "options", "shape"), SMOOTH, ids=words)


def make(cell, options, shape="plain", dtype="float64", biases=None):
    """A case of a kind, with NaN in its padding."""
    arguments = {**SHAPES[shape], **options}
    default = arguments.pop("biases", 1)
    biases = default if biases is None else biases
    case = make_case(cell, dtype=dtype, scale=0.5, **arguments)
    if case.padded:
        case = replace(case, inputs=np.where(case.valid[..., None], case.inputs, case.dtype.type(np.nan)))
    if biases == 1:
        return case
    rng = np.random.default_rng(7)
    b, recurrent_b = (None, None) if biases == 0 else (case.b, rng.normal(size=case.b.shape).astype(dtype))
    more = tuple(weights._replace(b=b, recurrent_b=recurrent_b) for weights in case.more_weights)
    return replace(case, b=b, recurrent_b=recurrent_b, more_weights=more)


def answer(case):
    """The answer's arrays, in the order of cotangents."""
    trace = PLAIN.answer(case)
    return [a for a in (trace.outputs, trace.final_state, trace.final_cell_state) if a is not None]


def drawn_cotangents(case, seed=0):
    """Random cotangents of all arrays of an answer."""
    rng = np.random.default_rng(seed)
    return Cotangents(*(rng.normal(size=a.shape).astype(case.dtype) for a in answer(case)))


def parts_of(cotangents):
    """All cotangents together, and each alone."""
    yield cotangents
    for name, array in cotangents._asdict().items():
        if array is not None:
            yield Cotangents(**{name: array})


def scalar(case, cotangents):
    """The scalar L."""
    pairs = zip(cotangents, answer(case), strict=False)
    return sum((cotangent * array).sum() for cotangent, array in pairs if cotangent is not None)


def changed(case, name, array):
    """The case with another array in the place of one, of any dtype: a Case takes no complex numbers."""
    other = copy.copy(case)
    if name.startswith("more_weights"):
        k, field = int(name[len("more_weights[") : name.index("]")]), name.split(".")[1]
        more = list(case.more_weights)
        more[k] = more[k]._replace(**{field: array})
        name, array = "more_weights", tuple(more)
    object.__setattr__(other, name, array)
    return other


def by_complex_step(case, cotangents, name, direction):
    """The derivative of L along a direction of one array, by a complex step."""
    for other, array in case.arrays().items():
        case = changed(case, other, array.astype(complex))
    stepped = case.arrays()[name] + 1e-40j * direction
    return scalar(changed(case, name, stepped), cotangents).imag / 1e-40


def by_central_difference(case, cotangents, name, direction, step=1e-6):
    """The derivative of L along a direction of one array, by a central difference."""
    array = case.arrays()[name]
    above, below = (scalar(changed(case, name, array + s * direction), cotangents) for s in (step, -step))
    return (above - below) / (2 * step)


def deviation(case, derivative, several):
    """The worst of the derivatives along random directions v, as a share of 1 + |L| + Σ|gradient·v|.

    derivative: the witness's; its padding holds zeros.  several: the cotangents to try.
    """
    clean, rng, worst = replace(case, inputs=np.nan_to_num(case.inputs)), np.random.default_rng(5), 0.0
    for cotangents in several:
        found, L = gradients(case, cotangents), scalar(clean, cotangents)
        assert list(found) == list(case.arrays())
        for name, gradient in found.items():
            assert gradient.shape == case.arrays()[name].shape
            direction = rng.normal(size=gradient.shape)
            along, size = np.sum(gradient * direction), np.sum(np.abs(gradient * direction))
            off = abs(along - derivative(clean, cotangents, name, direction))
            worst = np.maximum(worst, off / (1 + abs(L) + size))  # NaN stays
    return worst


@every_smooth_layer_in_shapes
def test_complex_steps_agree(cell, options, shape):
    """Both ways agree for all cotangents together and for each alone."""
    case = make(cell, options, shape)
    assert deviation(case, by_complex_step, parts_of(drawn_cotangents(case))) < 1e-14


@every_layer_in_shapes
def test_central_differences_agree(cell, options, shape):
    case = make(cell, options, shape)
    assert deviation(case, by_central_difference, [drawn_cotangents(case)]) < 1e-8


FAULTS = {
    "through_tanh": ("simple_rnn", "tanh", lambda g, y: g * (1 - y)),
    "through_sigmoid": ("lstm", "sigmoid", lambda g, y: g * y * (1 - y) * (1 + 1e-12)),
    "through_hard_sigmoid": ("gru", "hard_sigmoid", lambda g, y: g / 6),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_derivative_is_found(fault, monkeypatch):
    cell, name, wrong = FAULTS[fault]
    options = {} if name == "tanh" else {"recurrent_activation": name}
    # Central differences see what the kinks of a hard sigmoid clip, complex steps the twelfth digit.
    witness, limit = (by_central_difference, 1e-8) if "hard" in name else (by_complex_step, 1e-14)
    case = make(cell, options)
    case = replace(case, inputs=4 * case.inputs)
    several = [drawn_cotangents(case)]
    assert deviation(case, witness, several) < limit
    monkeypatch.setitem(ACTIVATIONS, name, replace(ACTIVATIONS[name], through=wrong))
    assert deviation(case, witness, several) > limit


@pytest.mark.parametrize("shape", ["lengths", "2_layers", "last_output"])
def test_a_forgotten_cotangent_is_found(shape):
    """Each of the three counts: what is left out makes another gradient."""
    case = make("lstm", {}, shape)
    everything = drawn_cotangents(case)
    whole = gradients(case, everything)
    for name in everything._fields:
        without = gradients(case, everything._replace(**{name: None}))
        alone = gradients(case, Cotangents(**{name: getattr(everything, name)}))
        for array in whole:
            assert not np.allclose(without[array], whole[array], atol=1e-6)
            np.testing.assert_allclose(without[array] + alone[array], whole[array], atol=1e-12)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "mask" in shape or "lengths" in shape])
def test_padding_has_no_gradient(cell, shape):
    """Padding's gradient is exactly zero, its bound too, though NaN is there and in the cotangents."""
    case = make(cell, {}, shape)
    assert np.isnan(case.inputs).any()
    cotangents = drawn_cotangents(case)
    if case.return_sequences:
        cotangents.outputs[~case.valid] = np.nan
    for arithmetic in (None, Arithmetic(case.dtype, ULPS)):
        found = gradients(case, cotangents, arithmetic)
        inputs = found["inputs"]
        for array in (inputs,) if arithmetic is None else (inputs.value, inputs.error):
            assert (array[~case.valid] == 0).all()
            assert (array[case.valid] != 0).any()
        for gradient in found.values():
            assert np.isfinite(gradient if arithmetic is None else gradient.error).all()


def test_a_row_without_steps_hands_its_final_cotangent_to_its_initial_state():
    case = make("lstm", {}, "lengths")
    cotangents = drawn_cotangents(case)
    found = gradients(case, cotangents)
    [empty] = np.flatnonzero(LENGTHS == 0)
    np.testing.assert_array_equal(found["initial_state"][empty], cotangents.final_state[empty])
    np.testing.assert_array_equal(found["initial_cell_state"][empty], cotangents.final_cell_state[empty])


@pytest.mark.parametrize("cell", GATES)
def test_omitted_states_have_gradients_too(cell):
    case = make(cell, {}, "concat")
    states = [name for name in case.arrays() if name.startswith("initial")]
    zeros = replace(case, **{name: np.zeros_like(case.arrays()[name]) for name in states})
    omitted = replace(case, **dict.fromkeys(states))
    cotangents = drawn_cotangents(case)
    found, expected = gradients(omitted, cotangents), gradients(zeros, cotangents)
    assert list(found) == list(expected)
    for name, gradient in found.items():
        np.testing.assert_array_equal(gradient, expected[name])


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0)])
def test_empty_cases(cell, batch, time):
    case = make(cell, {})
    states = {name: array[:batch] for name, array in case.arrays().items() if name.startswith("initial")}
    case = replace(case, inputs=case.inputs[:batch, :time], **states)
    cotangents = drawn_cotangents(case)
    for arithmetic in (None, Arithmetic(case.dtype, ULPS)):
        found = gradients(case, cotangents, arithmetic)
        for name, gradient in found.items():
            assert gradient.shape == case.arrays()[name].shape
        assert not np.any(found["W"] if arithmetic is None else found["W"].value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"outputs": np.zeros((4, 5, 2))}, r"outputs has shape \(4, 5, 2\), needs that of the answer"),
        ({"final_state": np.zeros((1, 4, 3))}, r"final_state has shape \(1, 4, 3\)"),
        ({"final_state": np.zeros((4, 3), "float32")}, "final_state has dtype float32, needs float64"),
        ({"final_cell_state": np.zeros((4, 3))}, "final_cell_state is for an LSTM"),
    ],
)
def test_cotangents_that_do_not_fit_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        gradients(make("gru", {}), Cotangents(**wrong))
