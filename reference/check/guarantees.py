"""What a match guarantees: the smallest errors, planted in a backend's own answers, that are seen.

An error is planted in what is compared: each element is moved by what the error makes of its step from the
state shown before, and the backend's own deviation is kept. Then bound and drift judge as they do in a test.
To the first order in the error, that is how the same backend with the error in it would have answered.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import FORMATS, Arithmetic
from rnn_lockstep.reference.check.deviations import Deviations, deviations
from rnn_lockstep.reference.check.drift import OF_ONE_SUM, Drift, Limits, limits_of
from rnn_lockstep.reference.check.small_errors import (
    SmallError,
    outputs_with,
    products,
    right,
    scaled_gates,
    with_scaled_rows,
)
from rnn_lockstep.reference.check.verdict import Verdict
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Gates, Options, Weights
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array

FACTORS = tuple(digit * 10.0**-power for power in range(8, 0, -1) for digit in (1, 2, 5))
WHOLE = (1.0,)  # the size of an error that is there or not
WEIGHTS = ("W", "U", "b")
OF_A_GATE, VALUE = "b of a gate", "a gate's value"


class Seen(NamedTuple):
    """The size from which an error is seen by the bound, and by drift; None where no size is."""

    bound: float | None
    drift: float | None


class Moved(NamedTuple):
    """The outputs of one direction, and how far an error of size 1 moves them (batch, time, H)."""

    found: Deviations
    bound: Array
    error: SmallError
    by: Array


def planted(case: Case, arithmetic: Arithmetic) -> Iterator[tuple[str, SmallError]]:
    """Every error that is planted, behind what it is in. What each gate may have is planted in one by one.

    A GRU's reset gate acts inside the candidate, so that its value makes no error beside one of U's rows.
    """
    size, gates = case.hidden_size, len(case.record.gates)
    for name in (name for name in WEIGHTS if getattr(case, name) is not None):
        yield name, with_scaled_rows(case, name, {name: slice(None)})
    for k in range(gates) if gates > 1 and case.b is not None else ():
        yield OF_A_GATE, with_scaled_rows(case, f"b {k}", {"b": slice(k * size, (k + 1) * size)})
    for error in scaled_gates(case):
        yield VALUE, error
    if FORMATS[case.dtype.name].stored_only:
        yield f"sums in {case.dtype.name}", sums_in_its_dtype(case)
    else:
        for error in products(case, arithmetic):
            yield error.words.replace(" taken", ""), error


def is_whole(name: str) -> bool:
    """Tell whether an error by this name has no size: it is there or not."""
    return name.startswith(("products", "sums"))


def sums_in_its_dtype(case: Case) -> SmallError:
    """Sums of products that are stored in the case's dtype after each addition.

    It has no words: drift looks for its size, not for its direction.
    """

    class Stored(np.ndarray[Any, Any]):
        def __rmatmul__(self, state: Any) -> Any:
            total = np.zeros((len(state), self.shape[1]), case.dtype)
            for k, weights in enumerate(self.view(np.ndarray)):
                total = (total + state[:, k, None] * weights).astype(case.dtype)
            return total.astype(np.float64)

    def activated(x: Array, h: Array, weights: Weights, options: Options) -> Gates:
        stored = weights._replace(W=weights.W.view(Stored), U=weights.U.view(Stored))
        return case.record.activated(x, h, stored, options)

    return right(case)._replace(size=1.0, cell=replace(case.record, activated=activated))


@dataclass
class Guarantees:
    """Answers to cases of one cell, dtype and size that match, with every error planted.

    errors: by what it is in and, where each gate may have it, in which.
    """

    cell: str = ""
    dtype: str = ""
    hidden_size: int = 0
    limits: Limits = OF_ONE_SUM
    cases: int = 0
    errors: dict[tuple[str, int], list[Moved]] = field(default_factory=dict)

    def add(self, verdict: Verdict, trace: Trace, arithmetic: Arithmetic) -> None:
        """Add an answer by the verdict on it, one that matches; of a layer whose states are all shown."""
        case = verdict.case
        if case.layers > 1 or case.merge_mode or not case.return_sequences:
            return
        self.cell, self.dtype, self.hidden_size = case.cell, case.dtype.name, case.hidden_size
        self.limits = limits_of(case.record, case.dtype.name)
        self.cases += 1
        bounds = {compared.name: compared.bound for compared in verdict.comparisons}
        with np.errstate(all="ignore"):
            found = [each for each in deviations(case, trace, arithmetic) if each.one_step]
            names = {each.name for each in found}
            expected = outputs_with(case, trace, right(case), names)
            for k, (name, error) in enumerate(planted(case, arithmetic)):
                wrong = outputs_with(case, trace, error, names)
                moved = [(one - other) / error.size for one, other in zip(wrong, expected, strict=True)]
                if any(by.any() for by in moved):
                    self.errors.setdefault((name, k), []).extend(
                        Moved(each, bounds[each.name], error, by)
                        for each, by in zip(found, moved, strict=True)
                    )

    def seen(self) -> dict[str, Seen]:
        """From which size each error is seen, by what it is in; of the gates, in the worst of them."""
        worst: dict[str, Seen] = {}
        for (name, _), moved in self.errors.items():
            sizes = WHOLE if is_whole(name) else FACTORS
            ways = (partial(by_bound, moved), partial(self.by_drift, moved))
            here = Seen(*(smallest(sees, sizes) for sees in ways))
            worst[name] = Seen(*map(larger, worst.get(name, here), here))
        return worst

    def by_drift(self, moved: Sequence[Moved], size: float) -> bool:
        """Tell whether drift sees an error of this size in all answers together."""
        whole = Drift(self.dtype, self.limits)
        for found, _, error, by in moved:
            found = found._replace(deviation=found.deviation + size * by)
            whole.add_sizes(found)
            if error.words:
                whole.project(error, found, by)
        return bool(whole.reason)


def by_bound(moved: Sequence[Moved], size: float) -> bool:
    """Tell whether the bound sees an error of this size in one of the answers."""
    return any(bool(np.any(np.abs(m.found.deviation + size * m.by) > m.bound)) for m in moved)


def smallest(sees: Callable[[float], bool], sizes: Sequence[float] = FACTORS) -> float | None:
    """The smallest of the sizes, in order, at which an error is seen; None where it is at none.

    sees: size -> whether it is, and at larger ones too.
    """
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if sees(sizes[middle]) else (middle + 1, high)
    return sizes[low] if low < len(sizes) else None


def larger(one: float | None, other: float | None) -> float | None:
    """The larger of two sizes; None, which is larger than any, where one is."""
    return None if one is None or other is None else max(one, other)
