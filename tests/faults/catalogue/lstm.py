"""Faults of an LSTM, most of them made by real ports between frameworks."""

from dataclasses import replace

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import gates, weights
from tests.faults.faulty import Memory, fault, mistaken, run_cell, to_bits

lstm_gates_in_onnx_order = mistaken("lstm gates", gates.lstm_iofg)
lstm_gates_in_haiku_order = mistaken("lstm gates", gates.lstm_igfo)
lstm_candidate_and_output_swapped = mistaken("lstm gates", gates.lstm_ifog)
lstm_input_and_forget_swapped = mistaken("lstm gates", gates.lstm_figo)
lstm_forget_gate_plus_one = mistaken("lstm gates", gates.lstm_forget_gate_plus_one)
lstm_recurrent_bias_dropped = mistaken("lstm gates", weights.recurrent_bias_dropped, cell="lstm")
lstm_input_and_forget_coupled = mistaken("lstm gates", gates.lstm_input_and_forget_coupled)
lstm_sigmoid_for_the_candidate = mistaken("lstm gates", gates.lstm_sigmoid_for_the_candidate)
lstm_output_without_tanh = mistaken("lstm gates", gates.lstm_output_without_tanh)
lstm_output_of_the_old_cell_state = mistaken("lstm gates", gates.lstm_output_of_the_old_cell_state)
lstm_initial_states_swapped = mistaken("lstm states", gates.lstm_initial_states_swapped)
lstm_initial_cell_state_ignored = mistaken("lstm states", gates.lstm_initial_cell_state_ignored)
lstm_final_states_swapped = mistaken("lstm states", gates.lstm_final_states_swapped)
lstm_final_cell_state_is_the_output = mistaken("lstm states", gates.lstm_final_cell_state_is_the_output)
lstm_final_cell_state_of_the_step_before = mistaken(
    "lstm states", gates.lstm_final_cell_state_of_the_step_before
)
lstm_cell_state_clipped_at_one = mistaken("lstm states", gates.lstm_cell_state_clipped_at_one)


@fault("lstm states", cell="lstm", explained="only as exact as")
def lstm_cell_state_rounded_to_bfloat16(case: Case) -> Trace:
    return run_cell(case, lambda x, state: case.step(x, (state[0], to_bits(state[1], 8))))


@fault("lstm states", cell="lstm", remembers=True, explained="something is kept between calls")
def lstm_cell_state_stale_between_calls(case: Case, memory: Memory) -> Trace:
    last = memory.get("c")
    if case.initial_state is None and last is not None and last.shape == case.c0.shape:
        case = replace(case, initial_state=case.h0, initial_cell_state=last.astype(case.dtype))
    trace = run_cell(case)
    memory["c"] = trace.final_cell_state
    return trace
