"""The activation that a simple RNN has in effect: another function of the right sums.

Where the sums z are right and the function is not, how far an output is off depends on z alone: of outputs
sorted by z, neighbours are off alike. The ratio of the mean square difference between neighbours to twice the
variance is near 0 then, and near 1 where there is no such order (von Neumann 1941, "Distribution of the ratio
of the mean square successive difference to the variance").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.small_errors import in_float64
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import input_sum, recurrent_sum
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import states_before, with_error
from rnn_lockstep.reference.oracle.trace import Trace

FEWEST = 40  # wrong outputs
RATIO = 0.15  # that the ratio is at most, where the function is right in most places
EVERYWHERE = 0.05  # otherwise


def activation_in_effect(answers: Sequence[tuple[Case, Trace]], arithmetic: Arithmetic) -> str:
    """Say in words where the activation is another function than asked for; empty where that is not shown.

    answers: to cases of one simple RNN whose outputs are shown; of any other it is empty.
    """
    case = answers[0][0]
    if len(case.record.gates) > 1 or case.more_weights or not case.return_sequences:
        return ""
    with np.errstate(all="ignore"):
        parts = [sums_and_errors(*answer, arithmetic) for answer in answers]
    z, off, bound = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    wrong = np.abs(off) > bound
    limit = RATIO if 2 * np.count_nonzero(wrong) < wrong.size else EVERYWHERE
    if np.count_nonzero(wrong) < FEWEST or not np.isfinite(off).all() or not depends_on(z, off, limit):
        return ""
    where = f"|z| = {np.abs(z[wrong]).min():.3g} to {np.abs(z[wrong]).max():.3g}"
    signs = np.sign(z[wrong])
    if (signs == signs[0]).all():
        where = f"z = {z[wrong].min():.3g} to {z[wrong].max():.3g}"
    worst = np.abs(off).argmax()
    return (
        f"the activation is another function of the right sum z: it is off from {where}, "
        f"most at {z[worst]:.3g}, by {off[worst]:.2g}"
    )


def sums_and_errors(case: Case, trace: Trace, arithmetic: Arithmetic) -> tuple[Any, Any, Any]:
    """The sums z of every step that counts, what its outputs are off by, and the bound: flat arrays."""
    way = slice(None, None, -1 if case.reverse else 1)
    valid = case.valid[:, way]
    before = states_before(case.h0, trace.outputs[:, way], valid)[:, :-1]
    [[run]] = from_shown_states(case, trace, with_error(arithmetic)).layers(case)
    [weights] = in_float64(case)
    x, h = (array[valid].astype(np.float64) for array in (case.inputs[:, way], before))
    z = input_sum(x, weights) + recurrent_sum(h, weights)
    expected: Any = run.outputs
    off = trace.outputs[:, way].astype(np.float64) - expected.value[:, way]
    return z.ravel(), off[valid].ravel(), np.asarray(expected.error[:, way])[valid].ravel()


def depends_on(z: Any, off: Any, limit: float) -> bool:
    """Tell whether how far numbers are off depends on z alone: see above. Both are flat arrays.

    limit: that the ratio is at most.
    """
    ordered = off[np.argsort(z, kind="stable")]
    variance = float(np.var(ordered))
    return bool(variance > 0 and np.mean(np.square(np.diff(ordered))) <= 2 * limit * variance)
