"""An answer is in the dtype that was asked for because the framework itself answered so.

JAX takes float64 for float32 unless told otherwise, and NumPy answers a product of bfloat16 matrices in
float32. The check asks for the case's dtype; these tests ask that no adapter has made it so.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest

from rnn_lockstep.adapters import compare, load
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.tests.harness.backend import Backend
from tests.faults.faulty import to_bits
from tests.unit.adapters.test_contract import make_case

ANOTHER = {"float64": "float32", "float32": "float16", "float16": "bfloat16", "bfloat16": "float32"}


def test_an_answer_has_all_the_bits_of_its_dtype(backend: Backend):
    """Answers that came from a narrower dtype would end in zeros."""
    for dtype in backend.adapter.facts.dtypes:
        trace = backend.check(make_case(dtype))
        for name, array in trace.arrays().items():
            exactly = array.astype(np.float64)
            assert (to_bits(exactly, FORMATS[dtype].bits - 1) != exactly).any(), (dtype, name)


# Ways to make a framework answer in a dtype of its own choice.


def numpy_in(dtype, monkeypatch):
    """Let tanh return another dtype."""
    tanh = replace(ACTIVATIONS["tanh"], function=lambda z: np.asarray(np.tanh(z), dtype))
    monkeypatch.setitem(ACTIVATIONS, "tanh", tanh)


def torch_in(dtype, monkeypatch):
    """Let torch's module return another dtype."""
    torch = sys.modules["torch"]
    right = torch.nn.RNN.forward

    def wrong(*arguments):
        return [answer.to(getattr(torch, dtype)) for answer in right(*arguments)]

    monkeypatch.setattr(torch.nn.RNN, "forward", wrong)


def keras_in(dtype, monkeypatch):
    """Let Keras's layer return another dtype."""
    keras = sys.modules["keras"]
    right = keras.layers.SimpleRNN.stateless_call

    def wrong(*arguments, **options):
        answers, rest = right(*arguments, **options)
        return [keras.ops.cast(answer, dtype) for answer in answers], rest

    monkeypatch.setattr(keras.layers.SimpleRNN, "stateless_call", wrong)


def jax_in(dtype, monkeypatch):
    """Let jitted functions return another dtype."""
    jax = sys.modules["jax"]
    right = jax.jit

    def wrong(function):
        return right(lambda *arguments: jax.tree.map(lambda x: x.astype(dtype), function(*arguments)))

    monkeypatch.setattr(jax, "jit", wrong)


IN = {"numpy": numpy_in, "torch": torch_in, "keras": keras_in, "jax": jax_in}


@pytest.mark.parametrize("dtype", ANOTHER)
def test_another_dtype_is_not_made_the_right_one(backend: Backend, dtype: str, monkeypatch):
    backend.check(make_case())
    answer_in = IN.get(backend.name.partition(":")[0])
    if answer_in is None:
        pytest.skip("nothing is known of how this framework could be made to answer in another dtype")
    answer_in(ANOTHER[dtype], monkeypatch)
    verdict = compare(load(backend.name), make_case(dtype))  # a new adapter, which has built no layer yet
    assert verdict.status == "mismatch"
    assert verdict.reason.endswith(f"has dtype {ANOTHER[dtype]}, needs {dtype}")
