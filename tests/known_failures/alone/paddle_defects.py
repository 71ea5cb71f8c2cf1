"""Bugs of PaddlePaddle, in PaddlePaddle alone. One that is mended fails here, strictly."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("paddle")
pytestmark = pytest.mark.filterwarnings("default")  # it warns of compilers and of its own calls

LAYERS = ("SimpleRNN", "GRU", "LSTM")


def layer(kind, *sizes, **options):
    """A layer of float64."""
    import paddle

    paddle.set_default_dtype("float64")
    return getattr(paddle.nn, kind)(*sizes, **options)


def states_for(kind, *shape):
    """Initial states, all 1/2."""
    import paddle

    state = paddle.full(shape, 0.5, dtype="float64")
    return (state, state) if kind == "LSTM" else state


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.xfail(raises=AssertionError, reason="PaddlePaddle 3.3.1: NaN there reaches them; not reported")
def test_outputs_of_a_row_do_not_depend_on_its_padding(kind):
    import paddle

    made = layer(kind, 1, 1, direction="bidirect")
    found = [
        made(paddle.to_tensor([[[1.0], [padding]]], dtype="float64"), None, paddle.to_tensor([1]))[0][0, 0]
        for padding in (0.0, np.nan)
    ]
    np.testing.assert_array_equal(*(array.numpy() for array in found))


@pytest.mark.parametrize("lengths", [[3], pytest.param([2], marks=pytest.mark.xfail(raises=AssertionError))])
@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_under_sequence_length_are_those_of_a_short_sequence(kind, lengths):
    """PaddlePaddle 3.3.1 leaves out the initial state of the backward direction; not reported."""
    import paddle

    made, found = layer(kind, 1, 2, direction="bidirect"), []
    inputs, weight = paddle.to_tensor([[[0.3], [-0.7], [0.2]]], dtype="float64"), made.weight_hh_l0_reverse
    for given, count in ((inputs, paddle.to_tensor(lengths)), (inputs[:, : lengths[0]], None)):
        made.clear_gradients()
        outputs, _ = made(given, states_for(kind, 2, 1, 2), count)
        outputs[:, : lengths[0]].sum().backward()
        found.append(weight.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-10)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.xfail(
    raises=ValueError,
    reason="PaddlePaddle 3.3.1: https://github.com/PaddlePaddle/Paddle/issues/58158, closed",
)
def test_a_weight_may_need_no_gradient(kind):
    import paddle

    made = layer(kind, 1, 1)
    made.weight_hh_l0.stop_gradient = True
    made(paddle.ones([1, 2, 1], "float64"))[0].sum().backward()


@pytest.mark.xfail(
    raises=AssertionError,
    reason="PaddlePaddle 3.3.1: https://github.com/PaddlePaddle/Paddle/issues/70245",
)
def test_parameters_of_an_lstm_with_a_projection_have_their_names():
    """Names for four a layer are given to five: what it calls weight_ih_l1 is weight_ho of layer 0."""
    made = layer("LSTM", 2, 4, num_layers=2, proj_size=3)
    assert made.weight_ih_l1.shape == made[1].cell.weight_ih.shape


@pytest.mark.xfail(
    raises=ValueError, reason="PaddlePaddle 3.3.1: zeros for h have the size of c, and c's of h; not reported"
)
def test_the_states_of_an_lstm_cell_with_a_projection_can_be_omitted():
    import paddle

    layer("LSTMCell", 2, 4, proj_size=3)(paddle.ones([1, 2], "float64"))


@pytest.mark.xfail(
    raises=ValueError, reason="PaddlePaddle 3.3.1: zeros are of the default dtype, float32; not reported"
)
def test_omitted_states_of_a_cell_are_of_the_dtype_of_its_inputs():
    import paddle

    made = layer("GRUCell", 1, 1)
    paddle.set_default_dtype("float32")
    made(paddle.ones([1, 1], "float64"))


ENDS = """
    import paddle
    layer = paddle.nn.{kind}(1, 1, {options})
    outputs, _ = layer(paddle.ones([1, {steps}, 1]))
    assert outputs.shape == [1, {steps}, 1]
"""
NO_BIAS = "bias_ih_attr=False, bias_hh_attr=False"


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ("", 1),
        pytest.param("", 0, marks=pytest.mark.xfail(raises=AssertionError, reason="not reported")),
        pytest.param(
            NO_BIAS,
            1,
            marks=pytest.mark.xfail(
                raises=AssertionError, reason="https://github.com/PaddlePaddle/Paddle/issues/70231"
            ),
        ),
    ],
)
@pytest.mark.parametrize("kind", LAYERS)
def test_neither_no_steps_nor_no_bias_end_the_process(kind, options, steps):
    """PaddlePaddle 3.3.1: SIGSEGV, or SIGFPE in a GRU or an LSTM without steps."""
    code = textwrap.dedent(ENDS.format(kind=kind, options=options, steps=steps))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode not in (-signal.SIGSEGV, -signal.SIGFPE), done.stderr[-500:]
    if done.returncode:
        raise RuntimeError(done.stderr)
