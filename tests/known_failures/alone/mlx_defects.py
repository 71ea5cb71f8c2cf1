"""Bugs of MLX, in MLX alone. One that is mended fails here, strictly."""

import numpy as np
import pytest

pytest.importorskip("mlx.core")


@pytest.mark.parametrize("function", ["exp", "sigmoid"])
@pytest.mark.xfail(raises=AssertionError, reason="MLX 0.32.4: https://github.com/ml-explore/mlx/issues/3047")
def test_in_float64_it_is_as_exact_as_float64(function):
    """On the CPU it is that of float32; tanh is not."""
    import mlx.core as mx

    found = np.array(getattr(mx, function)(mx.array(-1.0, dtype=mx.float64), stream=mx.cpu))
    right = {"exp": np.exp(-1.0), "sigmoid": 1 / (1 + np.exp(1.0))}[function]
    np.testing.assert_allclose(found, right, rtol=1e-12)
