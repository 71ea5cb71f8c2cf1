"""No adapter declares a smaller error of tanh or sigmoid than a short search finds."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.tests.harness.backend import Backend
from tests.benchmarks.routes import OPEN, routes
from tests.benchmarks.search import BATCH
from tests.benchmarks.ulps import figures

SHORT = {"batches": 2}


def tanh_by_exp(z):
    """A tanh that is right on paper; near 0 it is the difference of two numbers near 1."""
    return 1 - 2 / (np.exp(2 * z) + 1)


def tanh_wrong_in_one_place(z):
    """A tanh that is off by 3 ulps for one number in 20,000."""
    z = np.asarray(z)
    h = np.tanh(z)
    return np.where((np.abs(z) > 0.3) & (np.abs(z) < 0.3003), h + 3 * np.spacing(h), h)


def sigmoid_by_tanh(z):
    """A sigmoid that is right on paper; far below 0 nothing is left of it."""
    return (np.tanh(z / 2) + 1) / 2


def test_no_declared_error_is_too_small(backend: Backend):
    found = list(figures(backend.adapter, **SHORT))
    for figure in found:
        backend.check(figure.route.case(np.full(BATCH, figure.x)))
    exceeding = [str(figure) for figure in found if figure.exceeds]
    assert found
    assert not exceeding, "\n".join(["more ulps than the adapter declares:", *exceeding])


def test_no_other_step_of_a_layer_adds_an_error(backend: Backend):
    """Open gates and saturated functions are 1, shut gates 0: a product with less would not be 1."""
    for dtype in backend.adapter.facts.dtypes:
        x = np.full(BATCH, OPEN, dtype)
        saturated = (route for route in routes(backend.adapter) if route.activation == "tanh")
        for route in saturated:
            backend.check(route.case(x))
            np.testing.assert_array_equal(route.answers(backend.adapter, x), 1, str(route))


@pytest.mark.parametrize("sloppy", [tanh_by_exp, tanh_wrong_in_one_place, sigmoid_by_tanh])
def test_a_sloppy_function_is_found_out(monkeypatch, sloppy):
    function = sloppy.__name__.partition("_")[0]
    monkeypatch.setitem(ACTIVATIONS, function, replace(ACTIVATIONS[function], function=sloppy))
    found = [figure for figure in figures(NumpyAdapter(), **SHORT) if figure.exceeds]
    assert {figure.route.function for figure in found} == {function}
    assert {figure.x.dtype.name for figure in found} >= {"float32", "float64"}
