"""The facts that an adapter declares of its functions reach every verdict of the suite."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Facts, Trace, compare, load
from rnn_lockstep.adapters.frameworks.jax_adapter import of_jax
from rnn_lockstep.adapters.frameworks.torch_adapter import on_device
from rnn_lockstep.reference import FunctionError
from rnn_lockstep.reference.bound.arithmetic import UNMEASURED_ULPS
from rnn_lockstep.tests.harness.backend import Backend

OFF = 1e-6
CASE = Case(*(np.full(shape, 0.25, np.float32) for shape in [(2, 3, 2), (2, 2), (2, 2), (2,)]))


class Off:
    """A backend whose tanh is off by 1e-6, however small its value is."""

    def __init__(self, **declared):
        self.facts = Facts("off", tanh_ulps={"float32": 2}, **declared)

    def run(self, case: Case) -> Trace:
        h, outputs = case.h0, []
        for t in range(case.time):
            h = np.tanh(case.inputs[:, t] @ case.W.T + h @ case.U.T + case.b) + np.float32(OFF)
            outputs.append(h)
        return Trace(np.stack(outputs, axis=1), h)


DECLARED = [
    {"function_error": 2 * OFF},
    {"functions": {"tanh": {"float32": FunctionError(2, 2 * OFF)}}},
    {"functions": {"tanh": {"float32": FunctionError(100)}}},
]


def test_an_error_that_is_not_declared_is_a_mismatch():
    assert compare(Off(), CASE).status == "mismatch"


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_a_declared_error_is_none(declared):
    """Judge it by itself and in the wrapper that tests/parity asks."""
    assert compare(Off(**declared), CASE).status == "match"
    Backend("off", Off(**declared)).check(CASE)


def test_what_is_not_declared_is_unmeasured():
    arithmetic = Facts("mine", tanh_ulps={"float32": 1}).arithmetic(np.dtype("float32"))
    assert arithmetic.error_of("tanh").ulps == 1
    assert arithmetic.error_of("sigmoid").ulps == UNMEASURED_ULPS["float32"]
    assert arithmetic.error_of("elu").absolute > 0
    other = Facts("mine", tanh_ulps={"float32": 1}).arithmetic(np.dtype("float64"))
    assert other.error_of("tanh").ulps == UNMEASURED_ULPS["float64"]


def test_an_activation_that_is_not_declared_is_not_asked():
    facts = load("numpy").facts
    case = replace(CASE, activation="elu")
    assert not facts.undeclared(case)
    assert replace(facts, activations=()).undeclared(case) == "activation elu"
    assert "other activations" in replace(facts, activations=()).not_tested


def test_a_longer_sequence_than_is_declared_is_not_asked():
    facts = replace(load("numpy").facts, most_steps=CASE.time)
    assert not facts.undeclared(CASE)
    assert f"sequences of more than {CASE.time} steps" in facts.not_tested
    assert replace(facts, most_steps=CASE.time - 1).undeclared(CASE) == f"{CASE.time} steps"


@pytest.mark.parametrize(
    ("platform", "precision", "products"),
    [("cpu", None, ""), ("gpu", None, "TF32"), ("gpu", "highest", ""), ("tpu", "default", "bfloat16")],
)
def test_what_jax_cuts_products_to_depends_on_its_device(platform, precision, products):
    config = SimpleNamespace(jax_default_matmul_precision=precision, jax_enable_x64=False)
    jax = SimpleNamespace(devices=lambda: [SimpleNamespace(platform=platform)], config=config)
    facts = Facts("jax", **of_jax(jax))
    assert facts.products == products
    assert bool(facts.tanh_ulps) == (platform == "cpu")  # measured there alone


def test_errors_that_were_measured_on_the_cpu_are_no_other_devices():
    torch = pytest.importorskip("torch")
    assert on_device(torch, torch.device("cpu"))["tanh_ulps"]
    assert "tanh_ulps" not in on_device(torch, torch.device("meta"))
