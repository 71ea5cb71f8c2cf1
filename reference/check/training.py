"""The check of training: are the weights after each update what gradient descent makes of them?

The error is carried from one update into the next. It grows with every update, the more the larger the
rate is, and where it has grown too far the verdict is inconclusive.
"""

from collections.abc import Mapping, Sequence

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.comparison import comparison
from rnn_lockstep.reference.check.forms import WrongForm, arrays_in_form, type_name
from rnn_lockstep.reference.check.gradients import NO_BOUND, axes_of
from rnn_lockstep.reference.check.verdict import Verdict, verdict_on
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.gradients import Cotangents, given_or_zeros
from rnn_lockstep.reference.oracle.training import training, weights_of
from rnn_lockstep.reference.oracle.validation import Array


def check_training(
    case: Case,
    targets: Array,
    rate: float,
    answer: Sequence[Mapping[str, Array]],
    arithmetic: Arithmetic,
) -> Verdict:
    """Judge `answer`, a backend's weights after each update, by the names of `case.arrays()`.

    targets, rate: as for `training`.  arithmetic: of the backend, in the case's dtype.
    Never raises on a wrong answer; raises ValueError on targets that do not fit the case, or a clip.
    """
    given_or_zeros(case, Cotangents())  # raises
    if not isinstance(answer, (list, tuple)):
        wrong_type = f"the weights after each update are a {type_name(answer)}, needs a list"
        return Verdict(case, "mismatch", wrong_type)
    names = [f"{{}} after update {k}" for k in range(1, len(answer) + 1)]
    needed = weights_of(case)
    try:
        answer = [arrays_in_form(own, needed, name) for name, own in zip(names, answer, strict=True)]
    except WrongForm as wrong:
        return Verdict(case, "mismatch", str(wrong))
    if arithmetic.format.stored_only:
        return Verdict(case, "inconclusive", NO_BOUND)
    expected = training(case, targets, rate, len(answer), arithmetic)
    comparisons = [
        comparison(name_of.format(name), weights[name], right, bounded=False, axes=axes_of(case, name))
        for name_of, weights, all_right in zip(names, answer, expected, strict=True)
        for name, right in all_right.items()
    ]
    return verdict_on(case, comparisons, empty=not case.inputs.size)
