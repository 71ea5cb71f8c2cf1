"""What became of a source's arrays in a port, which is told where nothing else explains a wrong segment."""

import numpy as np
import pytest

from rnn_lockstep.adapters.port.whole.parameters import exchanged, not_found

SQUARE = np.arange(16.0).reshape(4, 4)
LONG = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("name", "array", "other", "found", "says"),
    [
        ("head.weight", SQUARE, "head.weight", SQUARE, ""),
        (
            "head.weight",
            SQUARE,
            "out.weight",
            SQUARE.T,
            "out.weight is the source's head.weight (4, 4) transp",
        ),
        ("dense/kernel", SQUARE, "head.weight", SQUARE.T, ""),
        (
            "dense/kernel",
            SQUARE,
            "head.weight",
            SQUARE,
            "head.weight is the source's dense/kernel (4, 4) transp",
        ),
        ("dense/kernel", LONG, "head.weight", LONG.T, ""),
        ("head.weight", LONG, "head.weight", LONG.astype("float32") * np.float32(1 + 2**-20), ""),
        (
            "head.weight",
            LONG,
            "head.weight",
            LONG[::-1],
            "head.weight has the numbers of the source's head.we",
        ),
        (
            "head.weight",
            LONG,
            "head.weight",
            2 * LONG,
            "the port has no array like the source's head.weight (3, 4)",
        ),
    ],
)
def test_the_fate_of_an_array_is_told(name, array, other, found, says):
    kept = {"bias": np.ones(4)}
    told = not_found({name: array, **kept}, {other: found, **kept})
    assert told.startswith(says)
    assert bool(told) == bool(says)


def test_arrays_that_are_all_missing_tell_nothing():
    assert not not_found({"a": SQUARE}, {"b": LONG})
    assert not not_found({"a": SQUARE}, {})


def test_many_are_counted():
    source = {str(k): np.full(k + 2, k + 1.0) for k in range(6)}
    assert not_found(source, {"0": source["0"]}).endswith(", and 2 more")


def test_layers_that_have_each_others_arrays_are_told():
    source = {"a/kernel": SQUARE, "a/bias": np.ones(4), "b/kernel": SQUARE + 1, "b/bias": np.ones(4)}
    right = {"a.weight": SQUARE.T, "a.bias": np.ones(4), "b.weight": SQUARE.T + 1, "b.bias": np.ones(4)}
    wrong = {**right, "a.weight": right["b.weight"], "b.weight": right["a.weight"]}
    assert exchanged(source, wrong) == "the weights of a and b are exchanged"
    assert not exchanged(source, right)
    assert not exchanged(source, {**wrong, "a.weight": SQUARE + 2})
