"""Bugs of TensorFlow's recurrent kernels on the CPU, in TensorFlow alone. One that is mended fails here."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

INPUTS, UNITS = 2, 3
PEEPHOLES = dict.fromkeys(("wci", "wcf", "wco"), np.zeros(UNITS, np.float32))


def arrays(steps=1):
    """The inputs, the states before, the kernel of both and the bias, of random numbers."""
    rng = np.random.default_rng(0)
    shapes = {
        "x": (steps, 1, INPUTS),
        "h_prev": (1, UNITS),
        "cs_prev": (1, UNITS),
        "w": (INPUTS + UNITS, 4 * UNITS),
        "b": (4 * UNITS,),
    }
    return {name: tf.constant(rng.normal(size=s).astype(np.float32)) for name, s in shapes.items()}


def by_formula(gates, x, h_prev, cs_prev, w, b):
    """The outputs of an LSTM by its formula. gates: i, f, c and o in the order of the kernel."""
    h, c, outputs = h_prev, cs_prev, []
    for x_t in tf.unstack(x):
        z = dict(zip(gates, tf.split(tf.concat([x_t, h], 1) @ w + b, 4, axis=1), strict=True))
        c = tf.sigmoid(z["f"]) * c + tf.sigmoid(z["i"]) * tf.tanh(z["c"])
        h = tf.sigmoid(z["o"]) * tf.tanh(c)
        outputs.append(h)
    return tf.stack(outputs)


def block_lstm(version, x, **given):
    """The outputs of the kernel of a whole LSTM."""
    options = {"cell_clip": -1, "use_peephole": False, "seq_len_max": tf.constant(len(x), tf.int64)}
    if version == 1:
        return tf.raw_ops.BlockLSTM(x=x, forget_bias=0, **options, **given, **PEEPHOLES).h
    return tf.raw_ops.BlockLSTMV2(x=x, **options, **given, **PEEPHOLES).h


def gradients(function):
    """The derivatives of the sum of all outputs with respect to each array."""
    given = arrays(steps=2)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = tf.reduce_sum(function(**given))
    return tape.gradient(total, given)


WRONG = pytest.mark.xfail(
    raises=AssertionError, reason="TensorFlow 2.21.0: BlockLSTMGradV2 has the order i, c, f, o; not reported"
)


@pytest.mark.parametrize(("version", "gates"), [(1, "icfo"), (2, "ifco")])
def test_a_block_lstm_is_the_formula(version, gates):
    given = arrays(steps=2)
    np.testing.assert_allclose(block_lstm(version, **given), by_formula(gates, **given), rtol=1e-5)


@pytest.mark.parametrize("name", ["x", "h_prev", "cs_prev", "w", "b"])
@pytest.mark.parametrize(("version", "gates"), [(1, "icfo"), pytest.param(2, "ifco", marks=WRONG)])
def test_the_gradients_of_a_block_lstm_are_those_of_the_formula(version, gates, name):
    found, right = (
        gradients(function)[name]
        for function in (lambda **a: block_lstm(version, **a), lambda **a: by_formula(gates, **a))
    )
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6)


@pytest.mark.xfail(raises=AssertionError, reason="TensorFlow 2.21.0: it is i, ci, f, o; not reported")
def test_the_gates_of_a_block_cell_are_in_the_order_of_its_documentation():
    """That says "[i, f, ci, o] = xh * w + b"."""
    x, *_ = (given := arrays()).values()
    options = {"forget_bias": 0, "cell_clip": -1, "use_peephole": False}
    found = tf.raw_ops.LSTMBlockCell(**{**given, "x": x[0]}, **options, **PEEPHOLES).h
    np.testing.assert_allclose(found, by_formula("ifco", **given)[0], rtol=1e-5)


@pytest.mark.xfail(raises=AssertionError, reason="TensorFlow 2.21.0 sums in float16; not reported")
def test_a_long_sum_in_float16_is_that_of_matmul():
    """2^16 terms of 2^-14 are 4, of which the kernel's gates have 2. Of its accuracy nothing is promised."""
    count, zero = 2**16, np.zeros((1, 1), np.float16)
    w = np.full((count + 1, 4), 2.0**-14, np.float16)
    x, b = np.ones((1, 1, count), np.float16), np.zeros(4, np.float16)
    peepholes = dict.fromkeys(("wci", "wcf", "wco"), zero[0])
    options = {"cell_clip": 0, "use_peephole": False, "seq_len_max": tf.constant(1, tf.int64)}
    found = tf.raw_ops.BlockLSTMV2(x=x, h_prev=zero, cs_prev=zero, w=w, b=b, **options, **peepholes)
    np.testing.assert_allclose(found.o[0], tf.sigmoid(tf.matmul(x[0], w[:-1, 3:])), rtol=1e-2)
