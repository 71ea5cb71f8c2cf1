"""Bugs of LiteRT, in TensorFlow's converter and LiteRT alone. One that is mended fails here, strictly."""

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("tensorflow")


def converted(function, array, kernels):
    """A function of TensorFlow at an array, as a model run by LiteRT with some of its kernels."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = tf.function(function, input_signature=[tf.TensorSpec(array.shape)]).get_concrete_function()
    model = tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=getattr(OpResolverType, kernels)
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize(
    "kernels",
    [
        "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        pytest.param(
            "AUTO",
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason="ai-edge-litert 2.3.0, XNNPACK: https://github.com/tensorflow/tensorflow/issues/118391",
            ),
        ),
    ],
)
def test_the_sigmoid_of_a_huge_number_is_0_or_1(kernels):
    import tensorflow as tf

    found = converted(tf.sigmoid, np.array([1e30, -1e30], np.float32), kernels)
    np.testing.assert_array_equal(found, [1, 0])
