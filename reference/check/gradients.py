"""The check of gradients: are they what backpropagation makes of the case, as nearly as rounding allows?

No gradient can be judged from the one before, since frameworks show only the sums over all steps. So
the error is carried through the whole forward and backward pass; it grows with every step, and where it
has grown too far the verdict is inconclusive.

In a half type every verdict is inconclusive. The bound has a sum stored up to four times, but torch, Keras
and JAX store the sums over time after each step. Over 100 to 300 equal steps they leave the bound, correct
as they are. A wider one would prove nothing: this one is too wide in a GRU or LSTM of two steps already.
"""

from collections.abc import Mapping

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.comparison import comparison
from rnn_lockstep.reference.check.forms import WrongForm, arrays_in_form
from rnn_lockstep.reference.check.verdict import Verdict, verdict_on
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.gradients import Cotangents, given_or_zeros, gradients
from rnn_lockstep.reference.oracle.validation import Array

AXES = {
    "inputs": ("batch", "time", "feature"),
    "W": ("row", "column"),
    "U": ("row", "column"),
    "b": ("row",),
    "recurrent_b": ("row",),
    "projection": ("row", "column"),
    "peepholes": ("row",),
}
NO_BOUND = "in a half type a sum over time may be rounded at every step, and no bound here covers that"


def check_gradients(
    case: Case,
    cotangents: Cotangents,
    answer: Mapping[str, Array],
    arithmetic: Arithmetic,
) -> Verdict:
    """Judge `answer`, a backend's gradients by the names of `case.arrays()`, each in its array's form.

    arithmetic: of the backend, in the case's dtype.
    Never raises on a wrong answer; raises ValueError on cotangents that do not fit the case, or a clip.
    """
    given_or_zeros(case, cotangents)  # raises
    try:
        answer = arrays_in_form(answer, case.arrays(), "the gradient of {}")
    except WrongForm as wrong:
        return Verdict(case, "mismatch", str(wrong))
    if arithmetic.format.stored_only:
        return Verdict(case, "inconclusive", NO_BOUND)
    expected = gradients(case, cotangents, arithmetic)
    comparisons = [
        comparison(
            f"gradient of {name}", answer[name], expected[name], bounded=False, axes=axes_of(case, name)
        )
        for name in case.arrays()
    ]
    return verdict_on(case, comparisons, empty=not case.inputs.size)


def axes_of(case: Case, name: str) -> tuple[str, ...]:
    """The names of the axes of one of a case's arrays, for messages."""
    return AXES.get(
        name.rpartition(".")[2], ("batch", "unit") if case.h0.ndim == 2 else ("cell", "batch", "unit")
    )
