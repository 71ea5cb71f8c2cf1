"""The update that a layer has in effect: how much of the old state is in its new one, by its steps."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.check.in_words import factor
from rnn_lockstep.reference.diagnosis.mistakes.mistake import LSTMS, Mistake
from rnn_lockstep.reference.diagnosis.recover_factors import STEP, Layers, fitted
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.engine import from_shown_states
from rnn_lockstep.reference.oracle.shown import PLAINLY
from rnn_lockstep.reference.oracle.trace import Trace

Mix = Callable[[float, State, State], State]  # a number, the right new state and the old one -> the new state


class Update(NamedTuple):
    """A kind of update that has a number k.

    says: it in words, of k.  mix: the new state.  start: the k of the right update.
    """

    says: Callable[[float], str]
    mix: Mix
    start: float = 0.0
    cells: tuple[str, ...] = ()  # all, where empty


def leaky(k: float, new: State, old: State) -> State:
    """Mix every state with the one before."""
    return tuple((1 - k) * n + k * o for n, o in zip(new, old, strict=True))


def leaky_output(k: float, new: State, old: State) -> State:
    """Mix h with the one before."""
    return (1 - k) * new[0] + k * old[0], *new[1:]


def scaled(k: float, new: State, old: State) -> State:
    """Multiply h."""
    return k * new[0], *new[1:]


def added(k: float, new: State, old: State) -> State:
    """Add some of the old h to the new one."""
    return new[0] + k * old[0], *new[1:]


MIXED = "{what} is {new} times the new state and {old:.6g} times the one before, as with zoneout"
UPDATES = (
    Update(lambda k: MIXED.format(what="each state", new=factor(1 - k), old=k), leaky),
    Update(lambda k: MIXED.format(what="h", new=factor(1 - k), old=k), leaky_output, cells=LSTMS),
    Update(lambda k: f"each new h is {factor(k)} times what it should be", scaled, 1.0),
    Update(lambda k: f"{k:.6g} times the state before is added to each new h", added),
)


def updates(case: Case, trace: Trace) -> Iterator[Mistake]:
    """The mistakes that the state is updated in another way, each with the number that fits best.

    They may explain nothing. Those that are right are left out.
    """
    for update in UPDATES:
        if update.cells and case.cell not in update.cells:
            continue
        number = fitted(case, partial(layers_with, case, trace, update.mix), update.start)
        if np.isfinite(number) and abs(number - update.start) > STEP:
            number = float(f"{number:.12g}")  # what a person has written is a short number
            yield Mistake(update.says(number), step=partial(updated, mix=update.mix, number=number))


def layers_with(case: Case, trace: Trace, mix: Mix, number: float) -> Layers:
    """The layers with another update, in float64, each step from the state shown before."""
    step = partial(updated, case, mix=mix, number=number)
    return from_shown_states(case, trace, PLAINLY).layers(case, step)


def updated(case: Case, t: int, x_t: Any, state: State, weights: Weights, mix: Mix, number: float) -> State:
    """Take a step with another update."""
    return mix(number, case.step(x_t, state, weights), state)
