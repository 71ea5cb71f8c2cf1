"""The check of whole models of JAX, as ports and as sources: what is inside is seen in what JAX traces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_lockstep.adapters import lockstep_check
from tests.unit.adapters.whole import jax_models as ports
from tests.unit.adapters.whole import models
from tests.unit.adapters.whole.models import TOKENS

WEIGHTS = {name: tensor.numpy() for name, tensor in models.Tagger().state_dict().items()}
PLACES = [
    "before encoder",
    "encoder itself",
    "between encoder and decoder",
    "decoder itself",
    "after decoder",
    "the whole model",
]


def tagger(**wrong):
    return ports.Tagger(WEIGHTS, **wrong)


def checked(port, source=None, **options):
    return lockstep_check(source or models.Tagger(), port, **{"inputs": TOKENS, "examples": 3, **options})


def first_line(port, **options):
    return str(checked(port, **options)).splitlines()[0]


def module(package, make, **options):
    pytest.importorskip(package)
    return getattr(ports, make)(WEIGHTS, **options)


RIGHT = {
    "function": tagger,
    "jitted": lambda: jax.jit(tagger()),
    "nnx": lambda: module("flax", "nnx_tagger"),
    "linen": lambda: module("flax", "linen_tagger"),
    "linen, applied": lambda: module("flax", "linen_tagger", bound=False),
    "equinox": lambda: module("equinox", "equinox_tagger"),
    "haiku": lambda: module("haiku", "haiku_tagger"),
}


@pytest.mark.parametrize("port", RIGHT.values(), ids=RIGHT)
def test_right_ports_match_at_every_place(port):
    verdict = checked(port())
    assert verdict, verdict
    assert [(line.place.replace("/", "."), line.status) for line in verdict.lines] == [
        (place, "match") for place in PLACES
    ]


def reordered(*cell):
    return [array[[0, 2, 1, 3]] for array in cell]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"given": lambda x: x[:, ::-1]}, "before encoder: it is in the other order of time"),
        ({"between": jax.nn.relu}, "between encoder and decoder: the source has nothing, the port applies"),
        ({"handed_on": lambda s: s[::-1]}, "between encoder and decoder: (h, c) of encoder is handed on as"),
        ({"handed_on": lambda s: None}, "between encoder and decoder: the final state of encoder is not"),
        ({"change": [("encoder", reordered)]}, "encoder itself: the gates are taken in the order i, g, f, o"),
        ({"change": [("decoder", lambda W, U, b: (W, U.swapaxes(1, 2), b))]}, "decoder itself: U is trans"),
        ({"change": [("decoder", lambda W, U, b: (W, U, 0 * b))]}, "decoder itself: the biases are dropped"),
        ({"reverse": True}, "encoder itself: reverse is True, and False in the source"),
        ({"after": lambda x: x[:, ::-1]}, "after decoder: it is in the other order of time"),
        ({"after": lambda x: 1.0001 * x}, "after decoder: it is 1.0001 times what the source has"),
    ],
)
@pytest.mark.parametrize("unrolled", [False, True], ids=["scan", "loop"])
def test_the_first_wrong_place_of_a_wrong_function_is_named(wrong, says, unrolled):
    """Where the steps are a loop in Python, no layer is seen, and the source's own makes the mistake."""
    if unrolled and "given" in wrong:
        says = "before encoder: the input tokens is in the other order of time"
    if unrolled and "between" in wrong:
        says = "between encoder and decoder: the port applies relu to the outputs of encoder"
    if unrolled and wrong.get("reverse"):
        pytest.skip("the loop runs forwards")
    assert first_line(tagger(unrolled=unrolled, **wrong)).startswith(f"mismatch: {says}")


@pytest.mark.parametrize(
    ("package", "make", "wrong", "says"),
    [
        (
            "flax",
            "nnx_tagger",
            {"relu": True},
            "between encoder and decoder: the source has nothing, the port",
        ),
        ("flax", "linen_tagger", {"gates": "igfo"}, "encoder itself: the gates are taken in the order"),
        ("equinox", "equinox_tagger", {"swapped": True}, "between encoder and decoder: (h, c) of encoder"),
        ("haiku", "haiku_tagger", {"plus_one": 0}, "encoder itself: 1 is added to the forget gate's bias"),
    ],
)
def test_the_first_wrong_place_of_a_wrong_module_is_named(package, make, wrong, says):
    assert first_line(module(package, make, **wrong)).startswith(f"mismatch: {says}")


def test_a_module_of_a_single_row_is_asked_for_each_and_that_is_told():
    verdict = checked(module("equinox", "equinox_tagger"))
    assert "note: the target: it takes a single row: it was asked through jax.vmap" in str(verdict)


@pytest.mark.parametrize("source", ["function", "nnx", "equinox"])
def test_a_source_of_jax_is_walked_beside_torch(source):
    made = RIGHT[source]()
    verdict = checked(models.Tagger(), made)
    assert verdict, verdict
    assert [line.place for line in verdict.lines] == PLACES
    says = "mismatch: between encoder and decoder: the source has nothing, the port applies relu"
    assert str(checked(models.ReluBetween(), made)).startswith(says)


def test_a_source_of_jax_whose_layers_are_not_seen_is_compared_by_its_outputs():
    source = tagger(unrolled=True)
    verdict = checked(models.Tagger(), source)
    assert verdict, verdict
    assert "no recurrent layers of the source can be watched" in str(verdict)
    assert str(checked(models.Squashed(), source)).startswith("mismatch: the whole model: the source has")


def test_a_function_that_is_not_always_the_same_is_told():
    state = []

    def port(tokens):
        state.append(1)
        return tagger()(tokens) + len(state)

    assert first_line(port).startswith("mismatch: asked twice, it answers otherwise")


@pytest.fixture(scope="module")
def classifier():
    """Padded tokens to scores, by the last outputs of both directions, of Keras."""
    from rnn_lockstep.adapters import load

    layers = (keras := load("keras").keras).layers
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(20, 4, mask_zero=True, name="embedding"),
            layers.Bidirectional(layers.GRU(5), name="encoder"),
            layers.Dense(3, name="head"),
        ]
    )
    model.set_weights([rng.normal(size=w.shape) / 2 for w in model.get_weights()])
    return model


def port_of(source, masked=True, last=False):
    embedding, *cells, kernel, bias = (np.asarray(w) for w in source.get_weights())

    def gru(W, U, b, x, mask):
        def step(h, given):
            x_t, m = given
            (xz, xr, xn), (hz, hr, hn) = (jnp.split(z, 3, axis=-1) for z in (x_t @ W + b[0], h @ U + b[1]))
            z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
            new = z * h + (1 - z) * jnp.tanh(xn + r * hn)
            h = jnp.where(m[:, None], new, h) if masked else new
            return h, h

        begin = jnp.zeros((len(x), len(U)))
        h, outputs = jax.lax.scan(step, begin, (x.swapaxes(0, 1), mask.T))
        return h, outputs.swapaxes(0, 1)

    def classify(tokens):
        x, mask = jnp.asarray(embedding)[tokens], tokens != 0
        forward, _ = gru(*cells[:3], x, mask)
        backward, outputs = gru(*cells[3:], x[:, ::-1], mask[:, ::-1])
        backward = outputs[:, 0] if last else backward
        return jnp.concatenate([forward, backward], axis=-1) @ kernel + bias

    return classify


def test_a_right_port_of_both_directions_matches(classifier):
    verdict = lockstep_check(classifier, port_of(classifier), examples=5)
    assert verdict, verdict


def test_a_right_port_matches_with_zeros_anywhere(classifier):
    verdict = lockstep_check(classifier, port_of(classifier), inputs=TOKENS, batch=2, time=4, examples=2)
    assert verdict, verdict
    assert "encoder itself" in str(verdict)


@pytest.mark.parametrize("wrong", [{"masked": False}, {"last": True}])
def test_a_wrong_port_of_both_directions_does_not(classifier, wrong):
    verdict = lockstep_check(classifier, port_of(classifier, **wrong), examples=5)
    assert verdict.status == "mismatch", verdict
