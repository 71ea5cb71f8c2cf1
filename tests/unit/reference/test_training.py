"""Training descends the loss it says, and the bounds on the weights hold."""

from dataclasses import replace

import flint
import numpy as np
import pytest

from rnn_lockstep.reference import Case, check_training, gradients, training
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.engine import PLAIN
from rnn_lockstep.reference.oracle.training import loss_cotangents, trained, training_in, weights_of
from tests.unit.reference.test_certified import SMALL, ULPS, balls, every_differentiated_layer, inside, radii
from tests.unit.reference.test_gradients import changed, every_layer_in_shapes, make

RATE = 2.0**-6
UPDATES = 2
some_shapes = pytest.mark.parametrize(
    "shape", ["plain", "reverse_lengths", "mul_mask", "2_layers", "last_output_concat"]
)


def drawn_targets(case):
    """Random targets in the shape of the outputs."""
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, PLAIN.answer(case).outputs.shape).astype(case.dtype)


def rounded(case, rate=RATE, updates=UPDATES):
    """Value and error of each of the weights after each update."""
    arithmetic = Arithmetic(case.dtype, ULPS)
    found = training(case, drawn_targets(case), rate, updates, arithmetic)
    return [{name: (w.value, w.error) for name, w in weights.items()} for weights in found]


def by_a_backend(case, gradients_of, updates=UPDATES):
    """The weights after each update of a backend. gradients_of: its gradients, of a case and cotangents."""
    targets, own, answer = drawn_targets(case), case, []
    for _ in range(updates):
        found = gradients_of(own, loss_cotangents(own, PLAIN.answer(own).outputs, targets))
        own = trained(own, found, RATE)
        answer.append(weights_of(own))
    return answer


def share(weights, bounds):
    """The largest error as a share of the one that is allowed."""
    return max(np.max(np.abs(weights[name] - value) / error) for name, (value, error) in bounds.items())


def verdict(case, answer):
    """The verdict on weights after each update."""
    return check_training(case, drawn_targets(case), RATE, answer, Arithmetic(case.dtype, ULPS))


def test_one_unit_by_hand():
    """The output relu(0.5·2 + 0.25·4 + 1) = 3 is off by 2: W changes by rate·4, U by rate·8, b by rate·2."""
    w, x, u, h0, b = (np.array([[value]]) for value in (0.5, 2.0, 0.25, 4.0, 1.0))
    case = Case(x[None], w, u, b[0], h0, activation="relu")
    [after] = training(case, np.ones((1, 1, 1)), 0.125, 1)
    assert {name: weight.item() for name, weight in after.items()} == {"W": 0.0, "U": -0.75, "b": 0.75}


@every_layer_in_shapes
def test_an_update_goes_against_the_slope_of_the_loss(cell, options, shape):
    """Central differences show it for each of the weights, along a random direction."""
    case, step, rng = make(cell, options, shape), 1e-6, np.random.default_rng(5)
    targets = drawn_targets(case)
    clean = replace(case, inputs=np.nan_to_num(case.inputs))

    def loss(name, array):
        """The loss L with another array in the place of one."""
        off = PLAIN.answer(changed(clean, name, array)).outputs - targets
        padding = ~case.valid[..., None] if case.return_sequences else ~case.valid.any(axis=1)[:, None]
        return np.sum(np.where(padding, 0, off) ** 2) / 2

    [after] = training(case, targets, RATE, 1)
    for name, before in weights_of(case).items():
        direction = rng.normal(size=before.shape)
        slope = (loss(name, before + step * direction) - loss(name, before - step * direction)) / (2 * step)
        along = np.sum((before - after[name]) * direction) / RATE
        assert abs(along - slope) < 1e-8 * (1 + loss(name, before))


@every_differentiated_layer
@some_shapes
def test_float32_lies_within_its_bound(cell, options, shape):
    """Both float types stay inside after every update, float64 nearer the middle."""
    case = make(cell, options, shape, "float32")
    targets, bounds = drawn_targets(case), rounded(case)
    single = training_in(np.asarray, case, targets, RATE, UPDATES)
    double = training(case, targets, RATE, UPDATES)
    for computed, exact, bound in zip(single, double, bounds, strict=True):
        assert {array.dtype.name for array in computed.values()} == {"float32"}
        assert 1e-4 < share(computed, bound) <= 1
        assert share(exact, bound) < 1e-6
        assert share({name: array * (1 + 1e-2) for name, array in exact.items()}, bound) > 1


@every_differentiated_layer
def test_true_weights_lie_within_the_error(cell, options):
    """Exact balls enclose them after each update; those of a rate that is off by 1e-10 do not lie there."""
    case = make(cell, options, "two_biases")
    bounds, wrong = rounded(case), training(case, drawn_targets(case), RATE * (1 + 1e-10), UPDATES)
    with flint.ctx.workprec(212):
        enclosures = training_in(balls, case, drawn_targets(case), RATE, UPDATES)
        for enclosure, bound, off in zip(enclosures, bounds, wrong, strict=True):
            for name, (value, error) in bound.items():
                assert np.all(radii(enclosure[name]) <= SMALL * error)
                assert inside(enclosure[name], value, error).all()
            assert not all(inside(enclosure[name], off[name], bound[name][1]).all() for name in bound)


@every_differentiated_layer
def test_a_backend_that_forgets_its_new_weights_is_outside(cell, options):
    """The first update is right; from the second on, gradients are those of the first weights."""
    case = make(cell, options)
    right = by_a_backend(case, gradients)
    assert verdict(case, right).status == "match"

    def stale(own, cotangents):
        return gradients(case, cotangents)

    found = verdict(case, by_a_backend(case, stale))
    assert found.status == "mismatch"
    assert found.wrong.name.endswith("after update 2")


def test_weights_that_do_not_move_are_outside():
    case = make("lstm", {}, dtype="float32")
    found = verdict(case, [weights_of(case)])
    assert (found.status, found.wrong.name) == ("mismatch", "W after update 1")


def test_errors_that_have_grown_too_far_prove_nothing():
    case = make("simple_rnn", {}, dtype="float32")
    case = replace(case, U=8 * case.U)
    targets = drawn_targets(case)
    answer = training_in(np.asarray, case, targets, 4.0, 5)
    found = check_training(case, targets, 4.0, answer, Arithmetic(case.dtype, ULPS))
    assert found.status == "inconclusive"
    assert "too wide to prove anything" in found.reason


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (None, "every array after update 2 is needed in a dict by name, not a NoneType"),
        ({}, "W after update 2 is missing, needs float64 (3, 2)"),
        ({"W": np.zeros((3, 2), "float32")}, "W after update 2 is float32 (3, 2), needs float64 (3, 2)"),
    ],
)
def test_weights_of_a_wrong_form_are_named(wrong, reason):
    case = make("simple_rnn", {})
    found = verdict(case, [weights_of(case), wrong])
    assert (found.status, found.reason) == ("mismatch", reason)


@pytest.mark.parametrize("targets", [np.zeros((4, 5, 2)), np.zeros((4, 5, 3), "float32")])
def test_targets_that_do_not_fit_are_named(targets):
    with pytest.raises(ValueError, match=r"targets has (shape|dtype)"):
        training(make("gru", {}), targets, RATE, 1)
