"""Backends that misbehave now and then, by one generator of random numbers or another."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.misbehaving.misbehaviour import EVERY_STEP, when_answering


def wrong(right: Trace) -> Trace:
    """An answer whose last output is wrong."""
    return replace(right, outputs=right.outputs + np.ones_like(right.outputs))


@when_answering("wrong outputs", tests=EVERY_STEP)
def is_wrong_one_time_in_5_by_numpy(case: Case, right: Trace) -> Trace:
    return wrong(right) if np.random.random() < 1 / 5 else right


@when_answering("wrong outputs", tests=EVERY_STEP, slow=60)
def is_wrong_one_time_in_500_by_numpy(case: Case, right: Trace) -> Trace:
    return wrong(right) if np.random.random() < 1 / 500 else right


@when_answering("wrong outputs", tests=EVERY_STEP, slow=60)
def is_wrong_one_time_in_500_by_random(case: Case, right: Trace) -> Trace:
    return wrong(right) if random.random() < 1 / 500 else right


@when_answering("wrong outputs", tests=EVERY_STEP)
def answers_nan_sometimes(case: Case, right: Trace) -> Trace:
    return replace(right, outputs=right.outputs * np.nan) if np.random.random() < 1 / 5 else right


@when_answering("OSError: now and then", tests=EVERY_STEP)
def raises_sometimes(case: Case, right: Trace) -> Trace:
    if np.random.random() < 1 / 5:
        raise OSError("now and then")
    return right


@when_answering("exited with status 0", tests=EVERY_STEP)
def exits_sometimes(case: Case, right: Trace) -> Trace:
    if np.random.random() < 1 / 5:
        os._exit(0)
    return right


@when_answering(tests=EVERY_STEP)
def fails_in_any_way(case: Case, right: Trace) -> Any:
    """Be wrong in another way each time."""
    ways: list[Callable[[], Any]] = [
        lambda: wrong(right),
        lambda: None,
        lambda: os._exit(1),
        lambda: 1 / 0,
        lambda: {}["key"],
    ]
    return random.choice(ways)()


@when_answering(tests=EVERY_STEP)
def is_wrong_once_and_then_exits(case: Case, right: Trace) -> Trace:
    """Be wrong at first, and end when asked more, as the diagnosis does."""
    asked.append(case)
    if len(asked) > 2:
        os._exit(6)
    return wrong(right)


asked: list[Case] = []
