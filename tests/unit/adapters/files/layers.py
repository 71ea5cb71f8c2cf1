"""Layers to write and read, with weights that tell every place from every other."""

import ml_dtypes
import numpy as np

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.adapters.models.files.table import format_of
from rnn_lockstep.adapters.models.recurrent_layer import OPTIONS, RecurrentLayer
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import GATES

DTYPES = {"bfloat16": ml_dtypes.bfloat16}


def weights(cell, input_size, hidden_size, biases, random, dtype="float32", projection_size=0):
    rows = len(GATES[cell]) * hidden_size

    def array(*shape):
        return (0.5 * random.standard_normal(shape)).astype(DTYPES.get(dtype, dtype))

    both = [array(rows) if there else None for there in biases]
    projection = array(projection_size, hidden_size) if projection_size else None
    return Weights(array(rows, input_size), array(rows, projection_size or hidden_size), *both, projection)


def make_layer(
    cell="lstm",
    layers=1,
    biases=(True, True),
    name="encoder",
    dtype="float32",
    projection_size=0,
    **options,
):
    """A layer of D=3 and H=4; biases: whether there is b, and recurrent_b."""
    random = np.random.default_rng(layers)
    directions = 2 if options.get("merge_mode") else 1
    above = (projection_size or 4) * (2 if options.get("merge_mode") == "concat" else 1)
    sizes = [3 if k < directions else above for k in range(layers * directions)]
    cells = [weights(cell, size, 4, biases, random, dtype, projection_size) for size in sizes]
    return RecurrentLayer(name, tuple(cells), cell, **options)


def saved(path, layers):
    """Write layers to a path, which is returned."""
    path.write_bytes(format_of(path).write(layers))
    return path


def assert_same(layer, other, biases=True):
    """Assert that two layers are the same bit for bit, and in every option."""
    for name in ("name", *OPTIONS, "outputs_reversed"):
        assert getattr(layer, name) == getattr(other, name), name
    assert_same_weights(layer, other, biases)


def assert_same_weights(layer, other, biases=True):
    """Assert that all bits of weights are the same; without `biases`, a missing bias is as good as zeros."""
    assert len(layer.cells) == len(other.cells)
    for mine, others in zip(layer.cells, other.cells, strict=True):
        for array, another in zip(mine, others, strict=True):
            if not biases:
                zeros = np.zeros_like(mine.W[:, 0])
                array, another = (zeros if a is None else a for a in (array, another))
            assert (array is None) == (another is None)
            if array is not None:
                assert array.dtype == another.dtype
                assert array.shape == another.shape
                assert array.tobytes() == another.tobytes()


def inputs(size=3, dtype="float32"):
    return np.random.default_rng(7).standard_normal((2, 5, size)).astype(dtype)


def answer(layer, x):
    """Outputs and final state of a layer in NumPy."""
    trace = NumpyAdapter().run(layer.case(x))
    return trace.outputs, trace.final_state


def in_keras_order(layer: RecurrentLayer, outputs):
    return outputs[:, ::-1] if layer.outputs_reversed else outputs


def same_bits(one: RecurrentLayer, other: RecurrentLayer) -> bool:
    pairs = [zip(a, b, strict=True) for a, b in zip(one.cells, other.cells, strict=True)]
    return all(
        (a is None and b is None) or (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())
        for pair in pairs
        for a, b in pair
    )
