"""A function of unknown arithmetic gets an allowance that is told, and no more than that."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import ONNX_RUNTIME, Facts
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import OutputsOnly, function_of, module


def exported(source):
    """A function that runs a module's outputs by ONNX Runtime."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            OutputsOnly(source).eval(),
            (torch.zeros(2, 3, 4),),
            file,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "batch", 1: "time"}},
        )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])

    def predict(inputs):
        return session.run(["y"], {"x": inputs})[0]

    return predict


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("scale", [0.5, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_right_export_matches_whatever_the_weights(kind, scale, seed):
    source = module(kind, sizes=(4, 16), scale=scale, seed=seed)
    predict = exported(source)
    unknown = check_port(source, predict)
    assert unknown, unknown
    assert any("what computes its tanh and sigmoid is not known" in note for note in unknown.notes)
    predict.facts = ONNX_RUNTIME
    known = check_port(source, predict)
    assert known, known
    assert not any("not known" in note for note in known.notes)


@pytest.mark.parametrize("wrong", [3e-6, 1e-5])
def test_more_than_the_allowance_is_a_mismatch(wrong):
    source = module(nn.LSTM)
    assert check_port(source, function_of(source))
    assert not check_port(source, lambda inputs: function_of(source)(inputs) + np.float32(wrong))


def test_the_allowance_is_of_the_dtype():
    for dtype, roundoff in (("float32", 2.0**-24), ("float64", 2.0**-53), ("float16", 2.0**-24)):
        most = 6 * roundoff
        assert UNKNOWN.arithmetic(np.dtype(dtype)).error_of("sigmoid").absolute == most
        assert UNKNOWN.arithmetic(np.dtype(dtype)).error_of("tanh").absolute == most


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"tanh_ulps": 2}, "its attribute facts is a dict, needs rnn_lockstep.adapters.Facts"),
        (Facts("mine", function_error=-1), "its attribute facts declares function_error=-1"),
    ],
)
def test_facts_that_mean_nothing_are_told(facts, message):
    source = module(nn.GRU)
    port = function_of(source)
    port.facts = facts
    with pytest.raises(ValueError, match=message):
        check_port(source, port)


def test_stated_facts_decide_for_functions_and_modules():
    source = module(nn.RNN)

    class Coarse(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = source

        def forward(self, x):
            return self.inner(x)[0] + 1e-5

    coarse = Coarse()
    assert not check_port(source, coarse)
    coarse.facts = Facts("coarse", function_error=1e-4)
    assert check_port(source, coarse)
