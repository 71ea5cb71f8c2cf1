"""The arithmetic that tests judge NumPy's answers in."""

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference import Arithmetic, Case


def of_numpy(case: Case) -> Arithmetic:
    """The arithmetic that the NumPy adapter declares, in the case's dtype."""
    return NumpyAdapter.facts.arithmetic(case.dtype)
