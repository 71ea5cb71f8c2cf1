"""Gradients: by the framework's own differentiation, beside backpropagation through time by hand.

L = Σ cotangent · answer, with cotangents of the outputs, of the final states, or of both, since a
framework can be wrong in one of them alone. Their error is carried through the whole forward and
backward pass, so sequences are short, and float32 is for weights that let errors fade. Padding holds
finite numbers here: where it is NaN, frameworks multiply it by zero on the way back.
"""

from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.adapters import Case
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.drawing.strategies import cotangents, fewer, without_nan
from rnn_lockstep.tests.harness.needs import EXACT, SEVERAL, needs


def check(backend: Backend, data: st.DataObject, cases: st.SearchStrategy[Case]) -> None:
    case = without_nan(data.draw(cases.filter(lambda case: case.clip is None)))  # the others have none
    backend.check_gradients(case, data.draw(cotangents(case)))


@needs("gradients", "float64")
@fewer(2)
@given(data=st.data())
def test_gradients(backend: Backend, cell: str, data: st.DataObject) -> None:
    regimes = ("critical", "contractive", "chaotic", "grid")
    variants = "usual" if backend.adapter.facts.compiles else "all"
    options = {"variants": variants, "padded": True, "backwards": True, "dtypes": ("float64",)}
    check(backend, data, backend.cases(cell, "gradients", regimes=regimes, **options))


@needs("gradients", "float32")
@fewer(4)
@given(data=st.data())
def test_gradients_in_float32(backend: Backend, cell: str, data: st.DataObject) -> None:
    options = {"regimes": ("contractive",), "dtypes": ("float32",), "pairs": False}
    check(backend, data, backend.cases(cell, "gradients", **options))


@needs("gradients", "float64")
@fewer(10)
@given(data=st.data())
def test_gradients_over_many_steps(backend: Backend, cell: str, data: st.DataObject) -> None:
    """The way back is not cut off after some steps, as training in pieces cuts it off."""
    options = {"regimes": ("contractive",), "dtypes": ("float64",), "variants": "two layers"}
    check(backend, data, backend.cases(cell, "gradients over many steps", pairs=False, **options))


@needs("gradients", SEVERAL, EXACT)
@fewer(4)
@given(data=st.data())
def test_gradients_of_stacks(backend: Backend, cell: str, data: st.DataObject) -> None:
    regimes = ("contractive", "critical", "chaotic")
    check(backend, data, backend.stacks(cell, regimes=regimes, dtypes=("float64",)))
