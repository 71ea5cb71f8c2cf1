"""Bugs of Keras's other routes, in Keras alone. One that is mended fails here, strictly.

Most are of all its backends, and are shown on TensorFlow. Of those that are not, each runs in a process.
"""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from rnn_lockstep.adapters import load

X = np.ones((1, 2, 1), np.float32)
MASK = np.array([[True, False]])


@pytest.fixture(scope="module")
def keras():
    """Keras on TensorFlow."""
    return load("keras").keras


def ones(layer, **call):
    """The answer of a layer whose weights are 1 to two steps, of which the second is padding."""
    layer.build(X.shape)
    layer.set_weights([np.ones_like(w) for w in layer.get_weights()])
    return np.asarray(layer(X, mask=MASK, **call))


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1, TensorFlow: zeros; not reported")
@pytest.mark.parametrize("cell", ["SimpleRNN", "GRU", "LSTM"])
def test_unrolled_directions_answer_as_those_in_a_loop(keras, cell):
    """`backend.tensorflow.rnn` has the mask of inputs, not the reversed one, for a backward layer's outputs.

    So the only step that counts is answered with a zero. In a loop it is not.
    """
    loop, unrolled = (
        ones(keras.layers.Bidirectional(getattr(keras.layers, cell)(1, return_sequences=True, unroll=unroll)))
        for unroll in (False, True)
    )
    np.testing.assert_allclose(unrolled, loop, rtol=1e-5)


@pytest.mark.xfail(
    raises=AssertionError, reason="Keras 3.15.1: https://github.com/keras-team/keras/issues/17596"
)
def test_zeros_for_a_mask_are_of_return_sequences_only(keras):
    """Of zero_output_for_mask RNN's docstring says that it "is only used when return_sequences is True"."""
    layer = keras.layers.SimpleRNN
    np.testing.assert_array_equal(ones(layer(1, zero_output_for_mask=True)), ones(layer(1)))


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1: the mask is ignored; not reported")
@pytest.mark.parametrize("cell", ["SimpleRNN", "GRU"])
def test_a_layer_with_an_initial_state_takes_the_mask_of_the_layer_before(keras, cell):
    """`Layer.__call__` looks for the argument `sequences_mask` where a call has more than one tensor.

    Without a state, or with the mask as an argument, it is heeded.
    """
    masked = keras.layers.Masking()(X * MASK[..., None])
    layer, state = getattr(keras.layers, cell)(1), np.zeros((1, 1), np.float32)
    np.testing.assert_array_equal(layer(masked, initial_state=state), layer(masked))


@pytest.mark.xfail(raises=TypeError, reason="Keras 3.15.1: it multiplies a generator; not reported")
def test_two_directions_that_keep_and_return_their_states(keras):
    """`Bidirectional.compute_mask` doubles the masks of the states: (None for _ in self.states) * 2."""
    layer = keras.layers.SimpleRNN(1, stateful=True, return_state=True)
    keras.layers.Bidirectional(layer)(X)


@pytest.mark.xfail(
    raises=AssertionError, reason="Keras 3.15.1: https://github.com/keras-team/keras/issues/6022"
)
def test_the_mask_of_reversed_outputs_is_reversed(keras):
    """The first output of a backward layer is that of the last step, which is padding."""
    masked = keras.layers.Masking()(X * MASK[..., None])
    outputs = keras.layers.SimpleRNN(1, go_backwards=True, return_sequences=True)(masked)
    np.testing.assert_array_equal(outputs._keras_mask, MASK[:, ::-1])


def answered(engine, code):
    """What a script prints in Keras on this backend of Keras, in a process of its own."""
    given = "x, mask = np.ones((1, 2, 1)), np.array([[True, False]])"
    script = f"import keras\nimport numpy as np\n{given}\n{textwrap.dedent(code)}"
    environment = {**os.environ, "KERAS_BACKEND": engine}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("engine", ["jax", "numpy"])
@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1: it is ignored; not reported")
def test_unrolled_outputs_on_padding_are_zeros_where_they_are_asked_for(engine):
    """`backend.jax.rnn` and that of NumPy do not look at zero_output_for_mask where they unroll."""
    code = """
    layer = keras.layers.SimpleRNN(1, return_sequences=True, unroll=True, zero_output_for_mask=True)
    print(float(layer(x, mask=mask)[0, 1, 0]))
    """
    assert answered(engine, code) == "0.0"


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1, torch: it raises; not reported")
def test_an_unrolled_layer_runs_backwards_under_a_mask():
    """`backend.torch.rnn` flips a tuple of tensors."""
    code = """
    try:
        print(*keras.layers.SimpleRNN(1, unroll=True, go_backwards=True)(x, mask=mask).shape)
    except AttributeError as error:
        print(error)
    """
    assert answered("torch", code) == "1 1"


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1, JAX: it is not kept; not reported")
def test_predict_keeps_the_state_of_a_stateful_layer():
    """`RNN` makes its states untracked, so no jitted step is given them. TensorFlow and torch keep them."""
    code = """
    inputs = keras.Input(batch_shape=(1, 2, 1))
    model = keras.Model(inputs, keras.layers.SimpleRNN(1, stateful=True)(inputs))
    first, second = (model.predict(x, verbose=0)[0, 0] for _ in range(2))
    print(first != second)
    """
    assert answered("jax", code) == "True"


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1, JAX: they are gone; not reported")
@pytest.mark.parametrize("ask", ["predict", "evaluate"])
def test_a_model_has_its_weights_after_a_call_that_raised(ask):
    """The trainer takes the values of all variables away, and gives them back only where nothing raised.

    Since https://github.com/keras-team/keras/pull/21019, `fit` does too where its first step succeeded.
    """
    code = f"""
    inputs = keras.Input((None, 1))
    model = keras.Model(inputs, keras.layers.SimpleRNN(1)(inputs))
    model.compile()
    given = np.ones((1, 2, 3))
    try:
        model.{ask}(given, verbose=0)
    except TypeError:  # three features where the layer takes one
        print(any(variable._value is None for variable in model.variables))
    """
    assert answered("jax", code) == "False"


@pytest.mark.xfail(raises=AssertionError, reason="Keras 3.15.1, NumPy: it is float32; not reported")
@pytest.mark.parametrize("operation", ["add", "matmul"])
def test_the_result_of_two_numbers_of_float64_is_one_on_numpy(operation):
    """Layers of float64 are as exact as those of float32. `set_floatx("float64")` changes nothing."""
    code = f"""
        import os
        os.environ["KERAS_BACKEND"] = "numpy"
        import keras, numpy as np
        ones = keras.ops.ones((1, 1), "float64")
        print(keras.ops.{operation}(ones, ones).dtype)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True, text=True).stdout.split() == ["float64"]
