"""The fingerprint tells the ways of computing apart that are known."""

from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import Facts, load
from rnn_lockstep.adapters.backends.fingerprint import fingerprint
from tests.faults.correct import InOrder


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("sequential", "64 terms are added up one after the other"),
        ("pairwise", "64 terms are added up in pairs"),
        ("eight_lanes", "64 terms are added up in lanes: the first meets the one 8 places on first"),
        (
            "in_blocks",
            "64 terms are added up in an order of its own: the first meets the others with 2, 3, 4, ",
        ),
        ("reversed_order", "64 terms are added up from the last to the first"),
    ],
)
def test_orders_of_summation_are_told_apart(order, says):
    assert fingerprint(InOrder(order))["sums"].startswith(says)


def test_fused_products_are_told():
    assert fingerprint(InOrder("fused_multiply_add"))["products"] == "products and additions are fused"
    assert fingerprint(InOrder("sequential"))["products"].startswith("products are rounded before")


def test_flushing_is_told():
    assert fingerprint(InOrder("flushing"))["subnormal numbers"].endswith("flushed to zero")
    assert fingerprint(InOrder("sequential"))["subnormal numbers"].endswith("are kept")


def test_states_and_saturation_are_told():
    found = fingerprint(load("numpy"))
    assert found["states"] == "a float16 state is kept as it is shown"
    assert found["saturation"] == "tanh(20) is 1"


def test_a_backend_that_fails_is_told_as_not_known():
    class Fails:
        facts = load("numpy").facts

        def run(self, case):
            if case.activation == "tanh":
                return []
            raise SystemExit(3)

    found = fingerprint(Fails())
    assert found["sums"] == "not known: SystemExit: 3"
    assert found["saturation"].startswith("not known: AttributeError: ")


def test_an_answer_of_another_shape_is_not_looked_at():
    """It may pretend to be so large that looking at it never ends."""

    class Broadcasts:
        facts = load("numpy").facts

        def run(self, case):
            trace = load("numpy").run(case)
            return replace(trace, outputs=np.broadcast_to(trace.outputs[:1, :1], (7, 5, 3)))

    assert set(fingerprint(Broadcasts()).values()) == {"not known: its answer has another shape"}


def test_what_a_backend_does_not_declare_is_not_asked():
    class OnlyLSTM:
        facts = Facts("only", cells=("lstm",), biases=(2,))

        def run(self, case):
            raise AssertionError

    assert fingerprint(OnlyLSTM())["sums"] == "not known: it declares no simple_rnn, 1 biases"
