"""Typical errors: what rounding does in many orders of summation, in units of σ."""

import numpy as np
import pytest
from scipy.special import expit

from rnn_lockstep.reference import Arithmetic, Case, Trace
from rnn_lockstep.reference.bound.arithmetic import FunctionError
from rnn_lockstep.reference.bound.typical import Typical
from rnn_lockstep.reference.check.deviations import carried_deviations, deviations
from rnn_lockstep.reference.check.drift import OF_GATES, OF_ONE_SUM
from tests.faults.correct import CORRECT, InOrder

FLOAT32 = Arithmetic(
    np.dtype("float32"), {name: FunctionError(2, typical=0.6) for name in ("tanh", "sigmoid")}
)
MARGIN = 3  # of the limits


def normal(rng, *shape):
    return rng.normal(size=shape)


def one_sign(rng, *shape):
    return rng.random(shape)


def groups(rng, *shape):
    """The first half of the terms is positive, the second negative."""
    return rng.random(shape) * np.where(np.arange(shape[-1]) < shape[-1] // 2, 1, -1)


def one_large(rng, *shape):
    array = rng.normal(size=shape)
    array[..., -1] *= 1000
    return array


@pytest.mark.parametrize("order", CORRECT)
@pytest.mark.parametrize("terms", [16, 128, 1024])
@pytest.mark.parametrize("weights", [normal, one_sign, groups, one_large])
def test_a_sum_in_any_order_is_off_by_a_few_sigma(order, terms, weights):
    rng = np.random.default_rng(terms)
    x, w = rng.random((20, terms)).astype("float32"), weights(rng, 50, terms).astype("float32")
    half = terms // 2  # the parts that a cell adds up
    parts = [
        Typical(x[:, s], FLOAT32) @ Typical(w[:, s].T, FLOAT32) for s in (slice(half), slice(half, None))
    ]
    summed = (parts[0] + parts[1]).closed()
    computed = CORRECT[order](x[:, None], w)
    ratios = np.abs(computed - summed.value) / summed.sigma
    assert ratios.max() < OF_ONE_SUM.largest / MARGIN


def test_sigma_is_no_larger_than_it_need_be():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50, 256)).astype("float32"), rng.normal(size=(50, 256)).astype("float32")
    summed = (Typical(x, FLOAT32) @ Typical(w.T, FLOAT32)).closed()
    ratios = (CORRECT["sequential"](x[:, None], w) - summed.value) / summed.sigma
    assert np.sqrt(np.mean(ratios**2)) > 0.3


FORMS = {  # of a GRU's output, in float32
    "(1 - z) n + z h": lambda z, n, h: (np.float32(1) - z) * n + z * h,
    "n + z (h - n)": lambda z, n, h: n + z * (h - n),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "bias"), [(1, 0), (1e-3, 3), (1e-4, 12), (1, -8)])
def test_a_product_is_as_large_as_its_terms(form, size, bias):
    """Where z is near 1 and h small, n + z (h - n) loses what |n| has lost."""
    rng = np.random.default_rng(0)
    n = np.tanh(rng.normal(size=10_000)).astype("float32")
    z = expit(rng.normal(size=10_000) + bias).astype("float32")
    h = (rng.normal(size=10_000) * size).astype("float32")
    of_z, of_n, of_h = (Typical(array, FLOAT32) for array in (z, n, h))
    expected = ((1 - of_z) * of_n + of_z * of_h).closed()
    assert (np.abs(FORMS[form](z, n, h) - expected.value) / expected.sigma).max() < OF_GATES.largest / MARGIN


@pytest.mark.parametrize("bias", [5, 15, 17.3])
def test_a_cell_state_that_is_kept_repeats_its_rounding(bias):
    """Forget gates near 1 for a thousand steps: σ adds up linearly, as the rounding may."""
    rng = np.random.default_rng(0)
    arrays = {"inputs": (2, 1025, 3), "W": (32, 3), "U": (32, 8), "b": (32,)}
    drawn = {name: (rng.normal(size=shape) / 3).astype("float32") for name, shape in arrays.items()}
    drawn["b"][8:16] += bias
    case = Case(**drawn, cell="lstm")
    trace = InOrder("sequential").run(case)
    found, _ = deviations(case, trace, InOrder("sequential").facts.arithmetic(case.dtype))
    assert (np.abs(found.deviation) / found.sigma).max() < OF_GATES.largest / MARGIN


def test_what_nobody_has_shown_is_carried():
    """A direction that is merged with another has no deviations of its own; what they are together has."""
    rng = np.random.default_rng(0)
    case = Case(
        rng.normal(size=(2, 3, 4)).astype("float32"),
        *(rng.normal(size=shape).astype("float32") for shape in ((5, 4), (5, 5), (5,))),
        merge_mode="sum",
        more_weights=(_cell(rng).weights,),
    )
    outputs, states = np.zeros((2, 3, 5), "float32"), np.zeros((2, 2, 5), "float32")
    trace = Trace(outputs, states)
    assert not list(deviations(case, trace, FLOAT32))
    names = [each.name for each in carried_deviations(case, trace, FLOAT32)]
    assert names == ["outputs", "forward final_state", "backward final_state"]


def _cell(rng):
    """A case whose weights are another cell's."""
    shapes = ((2, 3, 4), (5, 4), (5, 5), (5,))
    return Case(*(rng.normal(size=shape).astype("float32") for shape in shapes))
