"""The seed notebook: 100 steps of 32 features into 64 units, everything uniform in [0, 1)."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Case, check, simple_rnn
from tests.unit.reference.arithmetics import of_numpy

TIME, INPUT_SIZE, HIDDEN_SIZE = 100, 32, 64


def notebook(inputs, W, U, b):
    """The notebook's loop, its final concatenation included."""
    successive_outputs = []
    state_t = np.zeros((HIDDEN_SIZE,))
    for input_t in inputs:
        output_t = np.tanh(np.dot(W, input_t) + np.dot(U, state_t) + b)
        successive_outputs.append(output_t)
        state_t = output_t
    return np.concatenate(successive_outputs, axis=0)


def arrays():
    """Inputs, W, U and b of the notebook's sizes, uniform in [0, 1)."""
    rng = np.random.default_rng(0)
    shapes = [(TIME, INPUT_SIZE), (HIDDEN_SIZE, INPUT_SIZE), (HIDDEN_SIZE, HIDDEN_SIZE), (HIDDEN_SIZE,)]
    return [rng.random(shape) for shape in shapes]


def test_the_oracle_is_the_notebook():
    """The notebook's 6,400 numbers are our (time, hidden_size) outputs, flattened.

    The comment there promises (timesteps, output_features), but np.concatenate joins the steps end to end.
    """
    expected = notebook(*arrays())
    outputs = simple_rnn(*arrays())
    assert expected.shape == (6400,)
    assert outputs.shape == (100, 64)
    np.testing.assert_allclose(outputs.ravel(), expected, rtol=1e-15)


def test_the_notebook_is_saturated_and_cannot_see_a_wrong_u():
    """The outputs print as 1., so a transposed U makes no difference there; elsewhere it does."""
    inputs, W, U, b = arrays()
    assert np.all(simple_rnn(inputs, W, U, b)[1:] > 1 - 1e-9)
    assert str(simple_rnn(inputs, W, U, b)[-1][:3]) == "[1. 1. 1.]"

    case = Case(inputs[None], W, U, b)
    weaker = replace(case, W=W - 0.5, U=(U - 0.5) / 8)
    for each, seen in ((case, "match"), (weaker, "mismatch")):
        wrong = NumpyAdapter().run(replace(each, U=each.U.T))
        assert check(each, wrong, of_numpy(each)).status == seen
