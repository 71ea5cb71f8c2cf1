"""Bugs of tinygrad, in tinygrad alone. One that is mended fails here, strictly."""

import sys

import numpy as np
import pytest

tinygrad = pytest.importorskip("tinygrad")


@pytest.mark.xfail(
    sys.version_info < (3, 12),
    raises=AssertionError,
    reason="tinygrad 0.14.0: its emulator has no float16 there, and what stands for it no subnormal numbers",
)
def test_a_number_times_one_is_the_number():
    """3e-5 is a float16, and 3e-5 times 1 is 0. In float32 it is not so."""
    with tinygrad.helpers.Context(DEV="PYTHON"):
        for dtype, number in ((np.float32, 3e-39), (np.float16, 3e-5)):
            given = np.array([number], dtype)
            np.testing.assert_array_equal((tinygrad.Tensor(given) * 1).numpy(), given)
