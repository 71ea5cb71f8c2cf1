"""The mistakes that are known: by name, the likeliest first."""

from rnn_lockstep.reference.diagnosis.mistakes import directions, gates, padding, sequence, stacks, weights
from rnn_lockstep.reference.diagnosis.mistakes.mistake import SCOPES, Mistake
from rnn_lockstep.reference.oracle.case import Case

MODULES = (weights, sequence, gates, padding, directions, stacks)
MISTAKES: dict[str, Mistake] = {
    name: mistake
    for module in MODULES
    for name, mistake in vars(module).items()
    if isinstance(mistake, Mistake)
}

# What ports get wrong most often; two mistakes at once are looked for among these first.
COMMON = {
    mistake.says
    for mistake in (
        weights.u_transposed,
        weights.kernels_transposed,
        weights.w_in_the_other_order,
        weights.biases_dropped,
        weights.recurrent_bias_dropped,
        weights.bias_doubled,
        sequence.initial_state_ignored,
        sequence.batch_first_forgotten,
        gates.ORDERS["gru_zrn"],
        gates.gru_reset_form_flipped,
        gates.gru_recurrent_bias_summed,
        gates.gru_update_gate_inverted,
        gates.ORDERS["lstm_iofg"],
        gates.ORDERS["lstm_ifog"],
        gates.ORDERS["lstm_igfo"],
        gates.lstm_forget_gate_plus_one,
        gates.lstm_initial_states_swapped,
        gates.lstm_final_states_swapped,
        gates.hard_sigmoid_for_sigmoid,
        gates.hard_sigmoid_of_keras_2,
        gates.sigmoid_for_hard_sigmoid,
        padding.lengths_ignored,
        padding.reverse_ignored,
        padding.reverse_outputs_not_flipped_back,
        directions.directions_weights_swapped,
        directions.directions_backward_outputs_not_flipped_back,
    )
}


def possible(case: Case) -> list[Mistake]:
    """The mistakes that can be made with a case, those of weights also with some of its cells only."""
    of_cell = [mistake for mistake in MISTAKES.values() if case.cell in mistake.cells]
    count = 1 + len(case.more_weights)
    scopes = [name for name, among in SCOPES.items() if 0 < sum(among(case, k) for k in range(count)) < count]
    return of_cell + [mistake.scoped(name) for mistake in of_cell if mistake.weights for name in scopes]
