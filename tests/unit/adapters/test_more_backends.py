"""The backends that are tested where they are asked for: a few cases of each, and what they must refuse.

The suite itself runs on each of them by `pytest tests/parity --backend NAME`.
"""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Refused, compare, load
from rnn_lockstep.adapters.backends.registry import BUILT_IN, NotMade
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.reference import Cotangents, Weights, check_gradients
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.known_failures.kept import kept

DEVICES = ("torch:cuda", "tinygrad")  # which a machine may not have, or the compiler for them
NAMES = [name for name, known in BUILT_IN.items() if not known.by_default]

pytestmark = pytest.mark.filterwarnings("default")  # torch warns of what it does itself when it compiles


@pytest.fixture(scope="module", params=NAMES)
def adapter(request):
    """Each of the backends in turn, in a process of its own; what is not installed is skipped, and said."""
    if missing := BUILT_IN[request.param].missing:
        pytest.skip(f"{' and '.join(missing)} is not installed")
    try:
        made = Supervised(request.param)
    except NotMade as error:
        if request.param not in DEVICES:
            raise
        pytest.skip(str(error))
    yield made
    made.close()


def form(adapter, cell):
    """The options of a cell with which the backend has it."""
    return {"reset_after": adapter.facts.reset_after[0]} if cell == "gru" else {}


def make_case(cell, dtype="float32", directions=1, **options):
    """A case of random numbers, three rows of four steps, with one bias and an initial state."""
    rng = np.random.default_rng(0)
    gates, size = len(CELLS[cell].gates), 3

    def drawn(*shape):
        return rng.normal(size=shape).astype(dtype)

    def weights():
        seen = len(CELLS[cell].peepholes) * size
        own = {"peepholes": drawn(seen)} if seen else {}
        return Weights(drawn(gates * size, 2), drawn(gates * size, size), drawn(gates * size), **own)

    first, *others = (weights() for _ in range(directions))
    shape = (directions, 3, size) if directions > 1 else (3, size)
    states = {name: drawn(*shape) for name in CELLS[cell].states}
    return Case(
        drawn(3, 4, 2),
        **first._asdict(),
        cell=cell,
        more_weights=tuple(others),
        merge_mode="concat" if directions > 1 else None,
        **states,
        **options,
    )


def known(adapter, case, test=""):
    """What the backend is known to get wrong in a case. test: a parity test's name."""
    return next((entry for entry in kept([adapter.facts.name]) if entry.is_about(test, case)), None)


def skip_if_known(adapter, case):
    if entry := known(adapter, case):
        pytest.skip(f"known: {entry}")


def test_the_name_is_the_one_that_it_is_loaded_by(adapter):
    assert adapter.facts.name in NAMES


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "float64"}, {"reverse": True}, {"directions": 2}, {"return_sequences": False}],
    ids=str,
)
def test_what_is_declared_is_right(adapter, cell, options):
    case = make_case(cell, **form(adapter, cell), **options)
    if missing := adapter.facts.undeclared(case):
        with pytest.raises(Refused):
            adapter.run(case)
        pytest.skip(f"{adapter.facts.name} declares no {missing}")
    skip_if_known(adapter, case)
    verdict = compare(adapter, case)
    assert verdict.status == "match", verdict


@pytest.mark.parametrize("cell", CELLS)
def test_other_weights_in_the_same_layer(adapter, cell):
    """What is cached, compiled or exported has the weights of the case before."""
    if cell not in adapter.facts.cells:
        pytest.skip(f"{adapter.facts.name} declares no {cell}")
    first = make_case(cell, **form(adapter, cell))
    skip_if_known(adapter, first)
    second = replace(first, W=-first.W, U=first.U[::-1].copy(), b=2 * first.b)
    assert [compare(adapter, case).status for case in (first, second, first)] == ["match"] * 3


@pytest.mark.parametrize("option", ["mask", "lengths", "projection", "reset_after", "activation"])
def test_nothing_is_left_out_without_a_word(adapter, option):
    """A case that a layer of it cannot express is refused, or it would be answered wrongly."""
    cell = "gru" if option == "reset_after" else "lstm"
    case = make_case(cell)
    given = {
        "mask": {"mask": np.array([[False, True, True, False]] * 3)},
        "lengths": {"lengths": np.array([4, 2, 1])},
        "projection": {
            "projection": np.ones((2, 3), np.float32),
            "U": case.U[:, :2],
            "initial_state": case.h0[:, :2],
        },
        "reset_after": {"reset_after": False},
        "activation": {"activation": "softsign"},
    }[option]
    case = replace(case, **given)
    skip_if_known(adapter, case)
    with suppress(Refused):
        verdict = compare(adapter, case)
        assert verdict.status == "match", verdict


def test_the_reset_gate_of_onnx_runtime_is_as_far_off_as_it_declares():
    """Its sigmoid of -19.64 is -3.0e-7 there; nothing else of this layer is rounded by so much."""
    if missing := BUILT_IN["onnxruntime"].missing:
        pytest.skip(f"{' and '.join(missing)} is not installed")
    W, U, b = (np.zeros(shape, np.float32) for shape in ((6, 1), (6, 2), 6))
    W[0], U[4, 1], b[2:4], b[4] = 1, 1000, -100, 1
    x, state = np.full((1, 1, 1), -19.640903, np.float32), np.array([[0, 1]], np.float32)
    case = Case(x, W, U, b, initial_state=state, cell="gru", activation="linear")
    verdict = compare(load("onnxruntime"), case)
    assert verdict.status == "match", verdict
    assert verdict.ratio > 0.5


def test_gradients_of_cells(adapter):
    if not adapter.facts.gradients:
        pytest.skip(f"{adapter.facts.name} declares no gradients")
    dtypes = [dtype for dtype in ("float64", "float32") if dtype in adapter.facts.dtypes]
    for cell in adapter.facts.cells:
        cases = [make_case(cell, dtype, **form(adapter, cell)) for dtype in dtypes]
        case = next((case for case in cases if not known(adapter, case, "test_gradients")), None)
        if case is None:
            pytest.skip(f"its gradients of {cell} are known to be wrong")
        cotangents = Cotangents(outputs=np.ones((3, 4, 3), case.dtype))
        found = adapter.gradients(case, cotangents)
        verdict = check_gradients(case, cotangents, found, adapter.facts.arithmetic(case.dtype))
        assert verdict.status == "match", verdict
