"""Every installed backend keeps the adapter contract where generated cases would not show it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Cotangents, Refused, compare, load
from rnn_lockstep.adapters.backends.array_memory import with_layout
from rnn_lockstep.adapters.backends.compare import judge_gradients, run_gradients
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.make_case import make_case as drawn_case

ROOT = Path(__file__).parents[3]


def make_case(dtype="float32", batch=2, time=3, input_size=2, hidden_size=3, activation="tanh"):
    """A simple RNN's case of random numbers."""
    rng = np.random.default_rng(batch + time)
    shapes = [
        (batch, time, input_size),
        (hidden_size, input_size),
        (hidden_size, hidden_size),
        (hidden_size,),
    ]
    return Case(*(rng.normal(size=s).astype(dtype) for s in shapes), activation=activation)


def imported_by(statement):
    """The frameworks a fresh interpreter has imported after `statement`."""
    show = "import sys; print(*(m for m in ('torch', 'tensorflow', 'keras', 'jax') if m in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", f"{statement}; {show}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_importing_adapters_imports_no_framework():
    assert (
        imported_by("from rnn_lockstep import adapters; adapters.known_backends(); adapters.find('numpy')")
        == []
    )


def test_a_backend_imports_its_own_framework_only(backend: Backend):
    framework, _, tag = backend.name.partition(":")
    own = {"torch": {"torch"}, "keras": {"keras"}, "jax": {"jax"}}.get(framework, set())
    if framework == "keras":
        # TensorFlow's converter imports JAX where it is installed, and so does torch's part of Keras.
        own |= {"jax", {"jax": "jax", "torch": "torch"}.get(tag, "tensorflow")}
    assert set(imported_by(f"from rnn_lockstep import adapters; adapters.load({backend.name!r})")) == own
    backend.check(make_case())


@pytest.mark.parametrize("layout", ["contiguous", "strided", "fortran"])
def test_any_memory_layout(backend: Backend, layout: str):
    case = make_case()
    arrays = {name: with_layout(array, layout) for name, array in case.arrays().items()}
    backend.check(Case(**arrays))


def test_negative_strides(backend: Backend):
    arrays = {name: array[::-1].copy()[::-1] for name, array in make_case().arrays().items()}
    assert arrays["inputs"].strides[0] < 0
    backend.check(Case(**arrays))


def test_float64_does_not_leak_into_float32_or_the_process(backend: Backend):
    """JAX computes in float64 only where its x64 setting is on; the setting is nobody else's business."""
    single, double = make_case("float32"), make_case("float64")
    first = backend.check(single).outputs
    backend.check(double)
    np.testing.assert_array_equal(backend.check(single).outputs, first)
    if "jax" in sys.modules:
        assert sys.modules["jax"].numpy.zeros(1).dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_have_the_form_of_their_arrays(backend: Backend, dtype: str):
    """Half types have the form too, though no bound says what their gradients should be."""
    if not backend.adapter.facts.gradients:
        pytest.skip(f"{backend.name} declares no gradients")
    case = make_case(dtype)
    backend.check(make_case())  # so that something is compared
    cotangents = Cotangents(outputs=np.ones_like(case.inputs, shape=(2, 3, 3)))
    answer = run_gradients(backend.adapter, case, cotangents)
    verdict = judge_gradients(backend.adapter, case, cotangents, answer)
    assert verdict.status == ("inconclusive" if case.dtype.itemsize == 2 else "match"), verdict


def test_a_refusal_is_what_the_framework_itself_says(backend: Backend):
    """Torch and Keras raise on a sequence without steps; others must take it."""
    try:
        backend.check(make_case())  # so that something is compared
        backend.adapter.run(make_case(time=0))
        refusal = None
    except Refused as reason:
        refusal = str(reason)
    framework = backend.name.partition(":")[0]
    if framework == "torch":
        layer = sys.modules["torch"].nn.RNN(2, 3, batch_first=True)
        with pytest.raises(RuntimeError, match=refusal):
            layer(sys.modules["torch"].zeros(2, 0, 2))
    elif framework == "keras":
        layer = sys.modules["keras"].layers.SimpleRNN(3)
        with pytest.raises(Exception, match=refusal):
            layer(np.zeros((2, 0, 2), np.float32))
    elif backend.name == "jax:nojit":
        assert refusal == "zero-length scan is not supported in disable_jit() mode"
    else:
        assert refusal is None


@pytest.mark.parametrize("tag", ["keras:eager", "jax:nojit"])
def test_tags_are_other_configurations(tag):
    adapter = load(tag)
    assert adapter.facts.name == tag
    for activation in ("tanh", "relu"):
        for dtype in adapter.facts.dtypes:
            assert compare(adapter, make_case(dtype, activation=activation)).status == "match"


def test_layers_are_reused_and_the_cache_is_bounded(backend: Backend):
    """The same sizes twice are built once, and not every size ever seen stays alive."""
    backend.check(make_case())
    adapter = backend.adapter.adapter
    if backend.name == "numpy":
        assert not hasattr(adapter, "cache")
        return
    before = adapter.cache.cache_info()
    backend.check(make_case())
    after = adapter.cache.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
    assert after.maxsize <= 256


@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        ("simple_rnn", {"activation": "softsign"}),
        ("gru", {"activation": "elu", "biases": 2}),
        ("lstm", {"activation": "relu"}),
        ("lstm", {"projection": True, "biases": 2}),
        ("gru", {"clip": 0.5, "biases": 2}),
        ("lstm", {"input_forget": True}),
    ],
)
def test_what_is_not_declared_is_refused_and_the_rest_is_right(backend: Backend, kind: str, variant):
    choices = {"shape": (2, 3, 5, 4), "dtype": "float32", "regime": "critical", "layout": "contiguous"}
    drawn = {"given_state": True, "padding": "none", "reverse": False, "source": 1}
    case = drawn_case(cell=kind, variant=variant, **choices, **drawn)
    if backend.adapter.facts.undeclared(case):
        with pytest.raises(Refused, match=r"\w+ \w+"):
            backend.adapter.run(case)
        case = make_case()  # so that something is compared
    backend.check(case)
