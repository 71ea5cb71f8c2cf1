"""What a tensor between recurrent layers may be off by: what the source's own rounding explains."""

import numpy as np
import pytest

from rnn_lockstep.adapters.port.whole.allowance import Beside, compared

EXACT = np.linspace(1, 2, 12).reshape(3, 4)


@pytest.mark.parametrize(
    ("rounding", "off", "status"),
    [
        (1e-7, 0, "match"),
        (1e-7, 5e-7, "match"),
        (1e-7, 1e-5, "mismatch"),
        (0.1, 0.3, "inconclusive"),
        (0.1, 3, "mismatch"),
        (None, 0, "match"),
        (None, 1e-3, "inconclusive"),
    ],
)
def test_a_tensor_is_judged_by_the_sources_own_rounding(rounding, off, status):
    narrow = EXACT + (rounding or 0)
    wide = None if rounding is None else EXACT
    assert compared([Beside("it", EXACT + off, narrow, wide)]).status == status
