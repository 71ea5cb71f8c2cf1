"""Backends that tell of a moment of the run, so that the run can be interrupted at it.

They make the file that the variable names in which they are told of it.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.misbehaving.misbehaviour import (
    EVERY_STEP,
    Correct,
    misbehaviour,
    when_answering,
    when_asked,
    when_made,
)

MOMENT = "LOCKSTEP_TESTED_MOMENT"
FOR_EVER = 3600  # seconds
asked: list[Case] = []


def tell() -> None:
    """Say that it is the moment."""
    if path := os.environ.get(MOMENT):
        Path(path).touch()


@when_made(slow=65, saved=False)
def tells_when_made() -> None:
    tell()
    time.sleep(FOR_EVER)


@when_asked(slow=65)
def tells_when_asked(case: Case) -> None:
    tell()
    time.sleep(FOR_EVER)


@when_asked(red=False, tests=EVERY_STEP, slow=65)
def tells_between_cases(case: Case) -> None:
    """Be right and slow, for many cases."""
    asked.append(case)
    if len(asked) > 3:
        tell()
    time.sleep(0.1)


@when_answering(tests=EVERY_STEP, slow=65)
def tells_while_shrinking(case: Case, right: Trace) -> Trace:
    """Be wrong from the fourth case on, and slow from then on."""
    asked.append(case)
    if len(asked) <= 4:
        return right
    tell()
    time.sleep(0.1)
    return replace(right, outputs=right.outputs + np.ones_like(right.outputs))


@misbehaviour(tests=EVERY_STEP, slow=65)
class tells_in_the_diagnosis(Correct):  # noqa: N801
    """Be wrong, and hang when the same case is asked a fourth time in one process, as the diagnosis does."""

    def __init__(self) -> None:
        self.times: dict[bytes, int] = {}

    def run(self, case: Case) -> Any:
        key = case.inputs.tobytes() + case.W.tobytes()
        self.times[key] = self.times.get(key, 0) + 1
        if self.times[key] > 2:
            tell()
            time.sleep(FOR_EVER)
        right = super().run(case)
        return replace(right, outputs=right.outputs + np.ones_like(right.outputs))


@misbehaviour("wrong outputs")
class exits_in_pytest(Correct):  # noqa: N801
    """Be wrong, and end the process if it is that of the run."""

    def __init__(self) -> None:
        if "pytest" in sys.modules:
            os._exit(0)

    def run(self, case: Case) -> Trace:
        right = super().run(case)
        return replace(right, outputs=right.outputs + np.ones_like(right.outputs))
