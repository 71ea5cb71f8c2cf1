"""Faults of a GRU, most of them made by real ports between frameworks."""

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import gates, sequence
from tests.faults.faulty import fault, mistaken, run_cell, to_bits

gru_gates_in_keras_order = mistaken("gru gates", gates.gru_zrn)
gru_gates_reversed = mistaken("gru gates", gates.gru_nzr)
gru_reset_form_flipped = mistaken("gru gates", gates.gru_reset_form_flipped)
gru_hidden_bias_summed_into_the_input_bias = mistaken("gru gates", gates.gru_recurrent_bias_summed)
gru_hidden_bias_of_the_candidate_dropped = mistaken(
    "gru gates", gates.gru_recurrent_bias_of_the_candidate_dropped
)
gru_update_gate_inverted = mistaken("gru gates", gates.gru_update_gate_inverted)
gru_reset_gate_ignored = mistaken("gru gates", gates.gru_reset_gate_ignored)
gru_reset_gate_on_the_input_too = mistaken("gru gates", gates.gru_reset_gate_on_the_input_too)
gru_hard_sigmoid_for_sigmoid = mistaken("gru gates", gates.hard_sigmoid_for_sigmoid)
gru_hard_sigmoid_of_keras_2 = mistaken(
    "gru gates",
    gates.hard_sigmoid_of_keras_2,
    among=lambda case: case.recurrent_activation == "hard_sigmoid",
)
gru_initial_state_ignored = mistaken("gru state", sequence.initial_state_ignored, cell="gru")
gru_recurrent_weights_of_one_gate_transposed = mistaken("gru state", gates.gru_u_of_n_transposed)


@fault("gru state", cell="gru", explained="only as exact as")
def gru_state_rounded_to_float16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (to_bits(state[0], 11),)))
