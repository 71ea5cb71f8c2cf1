"""Sequences of different lengths in one batch: what follows a row's length does not matter.

The padding is full of NaN. Outputs there are zero; the final state is each row's last that counts.
A backend may refuse lengths, and is then judged on the cases that have none.
"""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backend import Backend
from tests.strategies import cases


def some(divisor: int) -> settings:
    """A fraction of the examples, of which a backend may refuse most."""
    return settings(
        max_examples=max(1, settings.default.max_examples // divisor),
        suppress_health_check=[HealthCheck.filter_too_much],
    )


@some(2)
@given(data=st.data())
def test_padded_batch(backend: Backend, cell: str, data: st.DataObject) -> None:
    backend.check(data.draw(cases(cell, "several steps", padded=True)))


@some(8)
@given(data=st.data())
def test_padding_does_not_matter(backend: Backend, cell: str, data: st.DataObject) -> None:
    """Whatever it holds: the answer with large numbers there is right for NaN, and the other way round."""
    case = data.draw(cases(cell, "several steps", padded=True))
    inputs = np.where(case.valid[..., None], case.inputs, np.array(1e4, case.dtype))
    other = replace(case, inputs=inputs)
    backend.check(case, backend.run(other), claim="large numbers in the padding")
    backend.check(other, backend.run(case), claim="NaN in the padding")
