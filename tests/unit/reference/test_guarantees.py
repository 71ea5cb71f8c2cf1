"""What a match guarantees: errors planted in answers are seen from the size on that is told."""

import pytest

from rnn_lockstep.adapters.backends.compare import judge
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.check.guarantees import FACTORS, Guarantees, Seen, smallest
from rnn_lockstep.tests.harness.drawing.drift_cases import WIDE, drift_cases
from tests.benchmarks.guarantees import PLANTED, by_bound, by_drift

CELLS = ("simple_rnn", "gru", "lstm", "peephole_lstm")
NUMPY = NumpyAdapter()
COUNT = 3


def cases_of(cell, dtype, **shape):
    return list(drift_cases(cell, dtype, NUMPY.facts, COUNT, **shape))


def seen_in(cell, dtype, **shape):
    """What NumPy's answers to some cases guarantee."""
    found = Guarantees()
    for case in cases_of(cell, dtype, **shape):
        trace = NUMPY.run(case)
        found.add(judge(NUMPY, case, trace), trace, NUMPY.facts.arithmetic(case.dtype))
    assert (found.cell, found.dtype, found.cases) == (cell, dtype, COUNT)
    return found.seen()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["W", "U", "b"])
def test_it_is_what_planting_in_the_weights_shows(name, cell, dtype):
    """A step of 1, 2, 5 more or less: the weights are rounded when an error is planted in them."""
    told, cases = seen_in(cell, dtype)[name], cases_of(cell, dtype)
    for size, sees in ((told.bound, by_bound), (told.drift, by_drift)):
        k = FACTORS.index(size)
        assert sees(NUMPY, cases, PLANTED[name], FACTORS[k + 1])
        assert not sees(NUMPY, cases, PLANTED[name], FACTORS[k - 2])


@pytest.mark.parametrize("cell", CELLS)
def test_drift_sees_a_hundredth_of_what_the_bound_sees(cell):
    for bound, drift in (seen_in(cell, "float32")[name] for name in ("W", "U", "b")):
        assert drift <= 1e-6
        assert bound >= 10 * drift


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("way", ["TF32", "bfloat16"])
def test_products_in_fewer_bits_are_seen_or_not(way, cell):
    assert seen_in(cell, "float32")[f"products in {way}"].drift == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("cell", CELLS)
def test_sums_in_a_half_type_are_seen(dtype, cell):
    assert seen_in(cell, dtype)[f"sums in {dtype}"] == Seen(None, 1)
    assert seen_in(cell, dtype, shape=WIDE)[f"sums in {dtype}"].drift == 1


def test_of_several_gates_the_one_that_is_seen_least_counts():
    found = seen_in("gru", "float32")
    assert found["b of a gate"].drift >= found["b"].drift
    assert "b of a gate" not in seen_in("simple_rnn", "float32")
    assert 1e-8 < found["a gate's value"].drift < 1e-4


def test_what_no_size_shows_is_told_as_such():
    assert smallest(lambda size: False) is None
    assert smallest(lambda size: size > 0.015) == 0.02
    assert smallest(lambda size: True) == FACTORS[0]
