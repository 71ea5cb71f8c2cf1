"""Faults that only float16 and bfloat16 have."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from rnn_lockstep.reference.diagnosis.mistakes import gates, sequence, weights
from tests.faults.faulty import mistaken, run, simple_fault, to_bits


def half(case: Case) -> bool:
    return case.dtype.itemsize == 2


@simple_fault("half types")
def half_float16_computed_in_bfloat16(case: Case) -> Trace:
    if case.dtype != np.float16:
        return run(case)
    short = {name: to_bits(array, 8) for name, array in case.arrays().items()}
    trace = run(replace(case, **short))
    return Trace(to_bits(trace.outputs, 8), to_bits(trace.final_state, 8))


@simple_fault("half types")
def half_bits_read_as_the_other_type(case: Case) -> Trace:
    if case.dtype != "bfloat16":
        return run(case)
    W = np.nan_to_num(case.W.copy().view(np.float16).astype(np.float32), posinf=6e4, neginf=-6e4)
    return run(replace(case, W=W.astype(case.dtype)))


half_bias_dropped = mistaken("half types", weights.bias_dropped, simple=True, among=half)
half_u_transposed = mistaken("half types", weights.u_transposed, simple=True, among=half)
half_initial_state_ignored = mistaken("half types", sequence.initial_state_ignored, simple=True, among=half)
half_gru_gates_in_keras_order = mistaken("half types", gates.gru_zrn, among=half)
half_lstm_forget_gate_plus_one = mistaken("half types", gates.lstm_forget_gate_plus_one, among=half)
