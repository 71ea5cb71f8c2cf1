"""One case on one backend, judged by the oracle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Adapter
from rnn_lockstep.reference import Case, Cotangents, Trace, Verdict, check, check_gradients, check_training
from rnn_lockstep.reference.oracle.validation import Array


def run(adapter: Adapter, case: Case) -> Trace:
    """The backend's answer to `case`. Raises `adapters.Refused` when it cannot express the case."""
    __tracebackhide__ = True
    with np.errstate(all="ignore"):  # what overflows or underflows is judged, not warned of
        return adapter.run(case)


def judge(adapter: Adapter, case: Case, trace: Trace) -> Verdict:
    """The verdict on `trace` as this backend's answer to `case`, in the arithmetic it declares."""
    return check(case, trace, adapter.facts.arithmetic(case.dtype))


def run_gradients(adapter: Any, case: Case, cotangents: Cotangents) -> Any:
    """The backend's gradients. Raises `adapters.Refused` when it cannot express the case."""
    __tracebackhide__ = True
    with np.errstate(all="ignore"):
        return adapter.gradients(case, cotangents)


def judge_gradients(adapter: Adapter, case: Case, cotangents: Cotangents, answer: Any) -> Verdict:
    """The verdict on `answer` as this backend's gradients, in the arithmetic it declares."""
    return check_gradients(case, cotangents, answer, adapter.facts.arithmetic(case.dtype))


def judge_training(
    adapter: Adapter, case: Case, targets: Array, rate: float, answer: Sequence[Mapping[str, Array]]
) -> Verdict:
    """The verdict on `answer` as this backend's weights after each update, in the arithmetic it declares."""
    return check_training(case, targets, rate, answer, adapter.facts.arithmetic(case.dtype))


def compare(adapter: Adapter, case: Case) -> Verdict:
    """Run `case` on the backend and judge every step of its answer. Raises `adapters.Refused`."""
    return judge(adapter, case, run(adapter, case))
