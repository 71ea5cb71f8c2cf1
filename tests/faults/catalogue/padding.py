"""Faults with padding that no known mistake expresses."""

from dataclasses import replace

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes.mistake import zeros_in_padding
from tests.faults.faulty import fault, run_cell


@fault("padding", cell="lstm")
def lengths_cell_state_runs_on(case: Case) -> Trace:
    """Take c from after the end of each sequence."""
    return with_cell_state_of(
        case, replace(zeros_in_padding(case), lengths=None) if case.lengths is not None else case
    )


@fault("padding", cell="lstm")
def masks_cell_state_runs_on(case: Case) -> Trace:
    """Take c from after the masked steps."""
    return with_cell_state_of(
        case, replace(zeros_in_padding(case), mask=None) if case.mask is not None else case
    )


def with_cell_state_of(case: Case, other: Case) -> Trace:
    """Return the right answer to a case, with the final cell state of another case."""
    return replace(run_cell(case), final_cell_state=run_cell(other).final_cell_state)
