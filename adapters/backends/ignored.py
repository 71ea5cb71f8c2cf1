"""What a backend ignores: its answers with it and without are the same, and right only without."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.backends.asking import answers_differ, run_or_refuse
from rnn_lockstep.adapters.backends.compare import judge
from rnn_lockstep.adapters.backends.contract import Adapter
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp

WITHOUT: Mapping[str, Callable[[Case], Case]] = {
    "lengths": lambda case: replace(case, lengths=None),
    "mask": lambda case: replace(case, mask=None),
    "initial_state": lambda case: replace(case, initial_state=None, initial_cell_state=None),
    "reverse": lambda case: replace(case, reverse=False),
    "clip": lambda case: replace(case, clip=None),
    "input_forget": lambda case: replace(case, input_forget=False),
    "peepholes": MISTAKES["peepholes_dropped"].mistaken_case,  # zeros are as good as none
}


def ignored(adapter: Adapter, case: Case) -> str:
    """The name of what a backend ignores of a case that it answers wrongly; empty where nothing is found.

    The numbers in its padding are finite for that: without lengths they count.
    """
    inputs = np.where(case.valid[..., None], case.inputs, 0.5)
    finite = replace(case, inputs=inputs.astype(case.dtype))
    try:
        for name, change in WITHOUT.items():
            if has(case, name) and is_ignored(adapter, finite, change(finite)):
                return name
    except TimeIsUp:
        pass
    return ""


def has(case: Case, name: str) -> bool:
    """Tell whether a case has one of the features that may be ignored."""
    value = getattr(case, name)
    return value is not None and value is not False


def is_ignored(adapter: Adapter, having: Case, lacking: Case) -> bool:
    """Tell whether the answers to both cases are the same bits, wrong for one and right for the other."""
    first, second = run_or_refuse(adapter, having), run_or_refuse(adapter, lacking)
    if first is None or second is None or answers_differ(first, second):
        return False
    verdicts = [judge(adapter, case, second).status for case in (having, lacking)]
    return verdicts == ["mismatch", "match"]
