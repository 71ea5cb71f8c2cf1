"""Further probes of a backend that answers the usual ones right, and what they tell of a mistake."""

from collections.abc import Sequence

from rnn_lockstep.adapters.backends.asking import wrong_answers
from rnn_lockstep.adapters.backends.contract import Adapter
from rnn_lockstep.adapters.backends.survey import Survey, large_cases
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.diagnosis.diagnose import Answer
from rnn_lockstep.reference.diagnosis.probe import faint_probe, has_subnormal_numbers, strong_probe
from rnn_lockstep.reference.oracle.time_limit import TimeIsUp

PROBES = 2  # of each kind


def further_probes(
    adapter: Adapter, case: Case, surveys: Sequence[Survey]
) -> tuple[str, list[Case], list[Answer]]:
    """Probes with sizes that a survey found wrong or, without one, with other numbers; and wrong answers.

    Before them what numbers they have, in words, where answers to those are wrong.
    """
    if surveys:
        kinds = {"": large_cases(case, surveys)}
    else:
        kinds = {"large numbers": [strong_probe(case, seed) for seed in range(PROBES)]}
        if has_subnormal_numbers(case):
            kinds["subnormal numbers"] = [faint_probe(case, seed) for seed in range(PROBES)]
    try:
        for words, probes in kinds.items():
            if wrong := list(wrong_answers(adapter, probes)):
                return words, probes, wrong
    except TimeIsUp:
        pass
    return "", next(iter(kinds.values())), []


def only_shown(case: Case, usual: Case, shown_by: str, alike: Sequence[Answer]) -> str:
    """Say where a mistake shows only that a usual probe does not show.

    shown_by: what further probes that are answered wrong have.
    alike: wrong answers to cases with numbers as strong as the case's.
    """
    if shown_by:
        return f"; it shows with {shown_by} only"
    if alike and usual.sizes != case.sizes:
        return f"; not so with {usual.sizes}"
    return "; it shows with numbers like these only"
