"""The weights that a simple RNN has in effect, recovered from its steps, beside those it was given.

Where h' = tanh(z), atanh(h') is the sum z = W·x + U·h + b itself, and every step is one equation for each
unit's row of W, U and b: linear least squares, weighted with how far off each z may be. With relu, where
h' > 0, z is h'.
Source: least squares by the pseudo-inverse and by QR, Golub and Van Loan, Matrix Computations (4th ed.),
sections 5.3 and 5.5;
an error e of the right side moves the solution by at most |A⁺|·|e|.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.in_words import apart, factor
from rnn_lockstep.reference.diagnosis.recover_factors import short
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import states_before, with_error
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

CLEAR = 0.99  # nearer to ±1 than this, tanh does not tell its argument well enough
CLEARLY = 4  # times its error that a recovered number is off by, to be called another than the given one
ROWS = 3  # of W, or elements, from which on it is no chance that they are the given ones by the same factors
ENOUGH = 600  # steps that a unit's row is solved from, or twice its numbers; it must make all the others too


class Inverse(NamedTuple):
    """The way back through an activation.

    clear: tells from which outputs h the argument z follows.  argument: z from h.  slope: dz/dh at |h|.
    """

    clear: Callable[[Array], Array]
    argument: Callable[[Array], Array]
    slope: Callable[[Array], Any]


INVERSES = {
    "tanh": Inverse(lambda h: np.abs(h) < CLEAR, np.arctanh, lambda size: 1 / (1 - size**2)),
    "relu": Inverse(lambda h: h > 0, lambda h: h, lambda size: 1.0),
}


class ArrayInEffect(NamedTuple):
    """An array that a layer has in effect, beside the given one, and the error of its recovered numbers."""

    name: str
    given: Array
    found: Array
    error: Array

    def near(self, array: Array) -> Array:
        """Tell where the array in effect may be `array`, elementwise, by its error."""
        near: Array = np.abs(self.found - array) <= self.error
        return near

    @property
    def is_clearly_another(self) -> bool:
        """Tell whether some element is so far from the given one that rounding is no explanation."""
        return bool(np.any(np.abs(self.found - self.given) > CLEARLY * self.error))


def weights_in_effect(case: Case, trace: Trace, arithmetic: Arithmetic) -> list[ArrayInEffect]:
    """Recover W, U and b in effect; none where they cannot be told or where no such weights make the steps.

    case: of one simple RNN.  b: the sum of both biases.
    """
    single = len(case.record.gates) == 1 and not case.more_weights and case.return_sequences
    if not single or case.activation not in INVERSES:
        return []
    way = slice(None, None, -1 if case.reverse else 1)
    valid = case.valid[:, way]
    observed = trace.outputs[:, way].astype(np.float64)
    before = states_before(case.h0, trace.outputs[:, way], valid)[:, :-1].astype(np.float64)
    with np.errstate(all="ignore"):
        [[run]] = from_shown_states(case, trace, with_error(arithmetic)).layers(case)
        error = np.asarray(run.outputs.error)[:, way][valid]
        known = [case.inputs[:, way][valid].astype(np.float64), before[valid], np.ones((int(valid.sum()), 1))]
        rows = solve(np.concatenate(known, axis=1), observed[valid], error, INVERSES[case.activation])
    if rows is None:
        return []
    solution, off = rows
    ends = [case.input_size, case.input_size + case.hidden_size]
    given = [case.W, case.U, sum(b for b in (case.b, case.recurrent_b) if b is not None)]
    W, U, b = np.split(solution, ends, axis=1)
    W_off, U_off, b_off = np.split(off, ends, axis=1)
    shown = ((W, W_off), (U, U_off), (b[:, 0], b_off[:, 0]))
    return [
        ArrayInEffect(name, np.broadcast_to(np.asarray(array, np.float64), found.shape), found, error)
        for name, array, (found, error) in zip(("W", "U", "b"), given, shown, strict=True)
    ]


def solve(known: Array, outputs: Array, error: Array, inverse: Inverse) -> tuple[Array, Array] | None:
    """Solve for each unit's row of (W, U, b) and how far off it may be; None where the steps do not tell.

    known: (steps, D + H + 1), the inputs, the states before, and ones.  outputs, error: (steps, H).
    inverse: of the activation.
    """
    found, off = (np.empty((outputs.shape[1], known.shape[1])) for _ in range(2))
    for unit, (h, slack) in enumerate(zip(outputs.T, error.T, strict=True)):
        need_time()
        clear = inverse.clear(h) & np.isfinite(slack)
        if np.count_nonzero(clear) <= known.shape[1]:
            return None
        h, slack, A = h[clear], slack[clear], known[clear]
        z = inverse.argument(h)
        doubt = 2 * slack * inverse.slope(np.minimum(np.abs(h) + slack, CLEAR)) + 1e-300
        some = slice(max(ENOUGH, 2 * A.shape[1]))
        solver = pseudo_inverse(A[some] / doubt[some, None])
        if solver is None:
            return None
        found[unit] = solver @ (z / doubt)[some]
        off[unit] = np.abs(solver).sum(axis=1)
        if np.any(np.abs(A @ found[unit] - z) > doubt + np.abs(A) @ off[unit]):
            return None
    return found, off


def pseudo_inverse(A: Array) -> Array | None:
    """The pseudo-inverse of a matrix whose columns are independent: R⁻¹·Qᵀ, in a fifth of pinv's time.

    None where they are not, or hardly: then R's diagonal has a number near zero.
    """
    Q, R = np.linalg.qr(A)
    diagonal = np.abs(np.diag(R))
    if not diagonal.min() > diagonal.max() * max(A.shape) * np.finfo(np.float64).eps:
        return None
    inverse: Array = solve_triangular(R, Q.T)
    return inverse


@dataclass(frozen=True)
class Relation:
    """A relation that an array in effect may have to the given one.

    says: it in words, with {name} for the array's name.  function: the array in effect, of the given one.
    """

    says: str
    function: Callable[[Array], Array]


RELATIONS = (
    Relation("{name} is zero", np.zeros_like),
    Relation("{name} has the wrong sign", np.negative),
    Relation("{name} is doubled", lambda array: 2 * array),
    Relation("{name} is halved", lambda array: array / 2),
    Relation("{name} is your {name} transposed", np.transpose),
    Relation("{name} is your {name} read in the other order", lambda array: array.T.reshape(array.shape)),
)


def differences(arrays: Sequence[ArrayInEffect]) -> dict[str, str]:
    """Say how arrays in effect differ from those given, a clause for each that does, by its name."""
    return {each.name: difference(each) for each in arrays if each.is_clearly_another}


def difference(each: ArrayInEffect) -> str:
    """Say what an array in effect is instead of the given one."""
    for relation in RELATIONS:
        changed = relation.function(each.given)
        if changed.shape == each.given.shape and each.near(changed).all():
            return relation.says.format(name=each.name)
    return (
        multiple_of_given(each)
        or given_and_more(each)
        or reordering_of_given(each)
        or scaled_columns(each)
        or wrong_elements(each)
    )


def multiple_of_given(each: ArrayInEffect) -> str:
    """Say by which factor an array in effect is the given one; empty where it is no multiple."""
    if not each.given.any() or each.given.size < ROWS:
        return ""
    times = float(np.sum(each.found * each.given) / np.sum(each.given**2))
    return f"{each.name} is {factor(times)} times yours" if each.near(times * each.given).all() else ""


def given_and_more(each: ArrayInEffect) -> str:
    """Say which number is added to every element of a bias in effect; empty where none is."""
    if each.name != "b" or each.given.size < ROWS:
        return ""
    more = float(np.mean(each.found - each.given))
    sign = "+" if more > 0 else "-"
    return f"b is yours {sign} {short(abs(more))[0]}" if each.near(each.given + more).all() else ""


def scaled_columns(each: ArrayInEffect) -> str:
    """Say by which factors the columns of W in effect are the given ones; empty where they are no multiples.

    All must be other than 1, and of enough rows to tell.
    """
    if each.name != "W" or len(each.given) < ROWS or not each.given.any(axis=0).all():
        return ""
    factors = np.sum(each.found * each.given, axis=0) / np.sum(each.given**2, axis=0)
    if not each.near(factors * each.given).all() or each.near(each.given).all(axis=0).any():
        return ""
    shown = ", ".join(f"{k:.3g}" for k in factors[:8]) + (", ..." if len(factors) > 8 else "")
    return f"W's columns are yours times {shown}: perhaps the inputs are scaled or shifted before"


def reordering_of_given(each: ArrayInEffect) -> str:
    """Say in which order an array in effect has the given rows or columns; empty where it has others."""
    for axis, name in enumerate(("rows", "columns")[: each.given.ndim]):
        order: list[int] = []
        for k in range(each.given.shape[axis]):
            if (j := index_of_given(each, axis, k)) is None:
                break
            order.append(j)
        if len(set(order)) == each.given.shape[axis]:
            name = name if each.given.ndim == 2 else "elements"
            shown = ", ".join(str(k) for k in order[:12]) + (", ..." if len(order) > 12 else "")
            return f"{each.name} has your {name} {shown}"
    return ""


def index_of_given(each: ArrayInEffect, axis: int, k: int) -> int | None:
    """The index of the given row (axis 0) or column (axis 1) that was found in place k, or None."""
    need_time()
    found, error = each.found.take(k, axis), each.error.take(k, axis)
    for j in range(each.given.shape[axis]):
        if np.all(np.abs(found - each.given.take(j, axis)) <= error):
            return j
    return None


def wrong_elements(each: ArrayInEffect) -> str:
    """Say which elements of an array in effect are not the given ones."""
    wrong = ~each.near(each.given)
    if np.count_nonzero(wrong) == 1:
        where = tuple(int(k) for k in np.argwhere(wrong)[0])
        shown = ", ".join(str(k) for k in where)
        found, given = apart(each.found[where], each.given[where])
        return f"{each.name}[{shown}] is {found} and should be {given}"
    for axis, name in enumerate(("row", "column")[: wrong.ndim] if wrong.ndim == 2 else ()):
        some = np.flatnonzero(wrong.any(axis=1 - axis))
        zero = np.all(np.abs(each.found.take(some, axis)) <= each.error.take(some, axis))
        if len(some) == 1:
            return f"{each.name}'s {name} {some[0]} is {'zero' if zero else 'wrong'}"
        if zero and len(some) < wrong.shape[axis]:
            shown = ", ".join(str(k) for k in some[:12]) + (", ..." if len(some) > 12 else "")
            return f"{each.name}'s {name}s {shown} are zero"
    count = int(np.count_nonzero(wrong))
    return (
        f"{each.name} is wrong in {count} of {wrong.size} elements"
        if count < wrong.size
        else (f"{each.name} is another array than yours")
    )
