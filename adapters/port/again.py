"""A port asked again: whether it answers the same, and what it keeps from call to call."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE
from rnn_lockstep.adapters.port.answers import check_trace
from rnn_lockstep.adapters.port.sequences import many_rows
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states

OTHERWISE = "asked the same twice, it answers otherwise: "
RANDOM = f"{OTHERWISE}dropout is left on, or something else is random"
KEPT = f"{OTHERWISE}it keeps its state from call to call, and has no reset"
EITHER = f"{RANDOM} or kept from call to call"
KEEPS = "it keeps its state from call to call until it is reset"
FORGETS = "the source is stateful, it keeps its state from call to call; the port begins every call at zeros"
IGNORED = "it takes an initial state and ignores it, and returns none to go on from"
HANDED = "the source is stateful; the port keeps its state only where a caller hands that over: not compared"
NEITHER = "called again without a reset, it begins neither at zeros nor where the call before ended"


def unsteady(live: LiveLayer, seed: int) -> str:
    """Why a model's answers to one case differ, in words; empty where they do not."""
    case = many_rows(live.layer, seed, initial_state=False)[0]  # in a small one nothing may be dropped
    if not differ(live, case):
        return ""
    if live.facts.name.startswith("keras"):  # whose layers have generators of their own
        return EITHER
    with random_numbers_kept():
        return KEPT if differ(live, case, seed_all) else RANDOM


def differ(live: LiveLayer, case: Case, before_each: Callable[[], None] = lambda: None) -> bool:
    """Tell whether two answers to a case are further apart than any of its bounds."""
    traces = []
    for _ in range(2):
        before_each()
        try:
            traces.append(live.run(case))
        except Exception:  # the model's; told where it is asked
            return False
    one, other = (np.asarray(trace.outputs) for trace in traces)
    bounds = [each.bound[np.isfinite(each.bound)] for each in check_trace(live, case, traces[0]).comparisons]
    if one.shape != other.shape or not any(bound.size for bound in bounds):
        return False  # nothing says how far apart rounding may take them
    widest = max(float(bound.max(initial=0)) for bound in bounds)
    return not np.allclose(one, other, rtol=0, atol=widest, equal_nan=True)


def seed_all() -> None:
    """Begin the random numbers of every library in use anew."""
    random.seed(0)
    np.random.seed(0)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Let random numbers go on afterwards as if nothing had been."""
    torch = sys.modules.get("torch")
    python, numpy, torchs = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            torch.set_rng_state(torchs)


def carried_on(live: LiveLayer, stateful: bool, seed: int) -> tuple[str, str]:
    """What is wrong with a second call that no reset is before, and what is to be known of it.

    stateful: whether the source keeps its state from call to call.
    """
    layer = live.layer
    if layer.directions > 1 or layer.reverse:
        return "", ""
    handed = live.way.bare or INITIAL_STATE in live.way.takes
    keeps = kept_by(live, seed)
    if keeps is None:
        return (NEITHER, "") if stateful and not handed else ("", NEITHER)
    if keeps == stateful:
        return "", ""
    if keeps:
        return "", f"{KEEPS}; the source begins every call at zeros"
    return ("", HANDED) if handed else (FORGETS, "")


def ignores_states(live: LiveLayer, case: Case) -> bool:
    """Tell whether a model that returns no final state answers as if it was given no initial state."""
    if INITIAL_STATE not in live.way.takes or len(live.unobserved) < len(case.start):
        return False
    try:
        given, none = (live.run(each) for each in (case, with_states(case, None, None)))
    except Exception:  # told where it is asked
        return False
    return case.initial_state is not None and np.array_equal(given.outputs, none.outputs)


def kept_by(live: LiveLayer, seed: int) -> bool | None:
    """Whether a second call begins where the first ended; None where it does not begin at zeros either."""
    rng = np.random.default_rng(seed)
    layer = live.layer
    inputs = rng.normal(size=(2, 7, layer.input_size)).astype(layer.dtype)
    both = layer.case(inputs)
    first, second = (replace(both, inputs=part) for part in (inputs[:, :3], inputs[:, 3:]))
    one, other = live.run(first), live.run_next(second)
    if check_trace(live, second, other).status == "match":
        return False
    outputs = other.outputs
    if layer.return_sequences:
        outputs = np.concatenate([one.outputs, other.outputs], axis=1)
    whole = Trace(outputs, other.final_state, other.final_cell_state)
    return True if check_trace(live, both, whole).status == "match" else None
