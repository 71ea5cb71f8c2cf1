"""Faults with padding: sequences of different lengths, and masks."""

from dataclasses import replace

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import padding, sequence
from rnn_lockstep.reference.diagnosis.mistakes.mistake import filled
from tests.faults.faulty import fault, mistaken, run_cell


def has_lengths(case: Case) -> bool:
    return case.lengths is not None


def has_mask(case: Case) -> bool:
    return case.mask is not None


lengths_ignored = mistaken("lengths", padding.lengths_ignored, among=has_lengths)
lengths_outputs_alive_after_the_end = mistaken("lengths", padding.outputs_alive_on_padding, among=has_lengths)
lengths_final_state_of_the_last_column = mistaken("lengths", padding.final_state_runs_on, among=has_lengths)
lengths_outputs_repeated_after_the_end = mistaken("lengths", padding.outputs_repeated_on_padding)
lengths_one_too_short = mistaken("lengths", padding.lengths_one_too_short)
lengths_of_the_row_before = mistaken("lengths", padding.lengths_of_the_row_before)
lengths_sorted_and_not_put_back = mistaken("lengths", padding.lengths_states_not_put_back)
lengths_padding_multiplied_by_zero = mistaken("lengths", padding.padding_leaks)
lengths_final_state_zero_for_an_empty_row = mistaken(
    "lengths", sequence.final_state_is_zero_without_steps, among=lambda case: case.padded
)
lengths_padding_eaten_as_zeros = mistaken(
    "lengths", padding.final_state_runs_on, cell="gru", among=has_lengths
)
masks_counted_as_lengths = mistaken("masks", padding.masks_counted_as_lengths)
masks_end_at_the_last_step_that_counts = mistaken("masks", padding.masks_end_at_the_last_step_that_counts)
masks_reset_the_state = mistaken("masks", padding.masks_reset_the_state)
masks_inverted = mistaken("masks", padding.masks_inverted)
masks_one_step_late = mistaken("masks", padding.masks_one_step_late)
masks_outputs_alive_on_padding = mistaken("masks", padding.outputs_alive_on_padding, among=has_mask)


def without_lengths(case: Case) -> Trace:
    return run_cell(case if case.lengths is None else replace(filled(case), lengths=None))


@fault("lengths", cell="lstm")
def lengths_cell_state_runs_on(case: Case) -> Trace:
    trace = run_cell(case)
    return Trace(trace.outputs, trace.final_state, without_lengths(case).final_cell_state)


@fault("masks", cell="lstm")
def masks_cell_state_runs_on(case: Case) -> Trace:
    trace = run_cell(case)
    if case.mask is None:
        return trace
    return replace(trace, final_cell_state=run_cell(replace(filled(case), mask=None)).final_cell_state)
