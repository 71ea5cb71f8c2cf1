"""Bugs of flax, in flax alone. One that is mended fails here, strictly."""

import numpy as np
import pytest

pytest.importorskip("flax")


def final_carries(kind, padding):
    """The final state of a row of length 0 that starts at 5, over two steps of padding."""
    import jax
    from flax import linen, nnx

    inputs = np.full((1, 2, 1), padding, np.float32)
    options = {
        "initial_carry": np.full((1, 1), 5, np.float32),
        "seq_lengths": np.array([0]),
        "return_carry": True,
    }
    if kind == "nnx":
        return nnx.RNN(nnx.SimpleCell(1, 1, rngs=nnx.Rngs(0)))(inputs, **options)[0]
    layer = linen.RNN(linen.SimpleCell(1))
    return layer.apply(layer.init(jax.random.key(0), inputs), inputs, **options)[0]


@pytest.mark.parametrize("kind", ["nnx", "linen"])
@pytest.mark.xfail(
    raises=AssertionError, reason="flax 0.12.8 takes the state at length - 1 = -1; not reported"
)
def test_the_final_carry_of_a_row_of_length_0_does_not_depend_on_its_padding(kind):
    """Of what is beyond seq_lengths linen.RNN says: it "will be considered padding and will be ignored"."""
    np.testing.assert_array_equal(final_carries(kind, 0.5), final_carries(kind, 9.0))
