"""What a mistake depends on, beside sizes: on an initial state, on padding, on the dtype."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.backends.asking import ratio, status
from rnn_lockstep.adapters.backends.contract import Adapter
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.bound.arithmetic import FORMATS
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states, without_padding
from rnn_lockstep.reference.diagnosis.probe import with_each_array

CLEARLY = 100  # bounds in a dtype that a mistake of the size it has in another one would be off by


def dependences(adapter: Adapter, like: Case) -> Iterator[str]:
    """Find out whether a mistake depends on the initial state and on padding. like: a case that shows it."""
    zeros = replace(like, initial_state=None, initial_cell_state=None)
    given = with_states(like, *(np.full(state.shape, 0.5, like.dtype) for state in like.start))
    yield from dependence_on(adapter, "an initial state", given, zeros)
    yield from dtypes(adapter, like)
    if like.padded:
        yield from dependence_on(adapter, "padding", like, without_padding(like))


def dtypes(adapter: Adapter, like: Case) -> Iterator[str]:
    """Say in which dtypes a mistake shows and in which it does not, though it is no rounding there."""
    ratios = dict[str, float]()
    for name in adapter.facts.dtypes:
        case = with_each_array(like, lambda array, name=name: array.astype(name))  # type: ignore[misc]
        if (found := ratio(adapter, case)) is not None:
            ratios[name] = found * 2.0 ** -FORMATS[name].bits
    wrong = [name for name, size in ratios.items() if size * 2.0 ** FORMATS[name].bits > 1]
    largest = max((ratios[name] for name in wrong), default=0.0)
    right = [name for name in ratios.keys() - set(wrong) if largest * 2.0 ** FORMATS[name].bits > CLEARLY]
    if right:
        yield f"wrong in {', '.join(wrong)}; right in {', '.join(sorted(right))}"


def dependence_on(adapter: Adapter, what: str, having: Case, lacking: Case) -> Iterator[str]:
    """Say whether a mistake shows with something, without it, or both; nothing where it does not show."""
    found = {status(adapter, having), status(adapter, lacking)}
    if found == {"mismatch"}:
        yield f"wrong with and without {what}"
    elif "mismatch" in found and "match" in found:
        yield f"wrong {'with' if status(adapter, having) == 'mismatch' else 'without'} {what} only"
