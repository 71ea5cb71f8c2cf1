"""Faults of layers that run backwards."""

from rnn_lockstep.adapters import Case
from rnn_lockstep.reference.diagnosis.mistakes import gates, padding, sequence
from tests.faults.catalogue.lengths import has_lengths
from tests.faults.faulty import mistaken


def backwards(case: Case) -> bool:
    return case.reverse


reverse_ignored = mistaken("reverse", padding.reverse_ignored)
reverse_outputs_not_flipped_back = mistaken("reverse", padding.reverse_outputs_not_flipped_back)
reverse_final_state_of_the_last_column = mistaken("reverse", sequence.reverse_final_state_of_the_last_column)
reverse_eats_the_padding = mistaken("reverse", padding.reverse_eats_the_padding, among=has_lengths)
reverse_initial_state_ignored = mistaken("reverse", sequence.initial_state_ignored, among=backwards)
reverse_lstm_cell_state_ignored = mistaken("reverse", gates.lstm_initial_cell_state_ignored, among=backwards)
