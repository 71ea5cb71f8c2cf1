"""The mistakes that are known: by family and name, the likeliest first."""

from rnn_lockstep.reference.diagnosis.mistakes import (
    activation,
    clips,
    directions,
    gates,
    gru,
    inputs,
    lstm,
    padding,
    peepholes,
    precision,
    sequence,
    stacks,
    subnormal,
    updates,
    weights,
)
from rnn_lockstep.reference.diagnosis.mistakes.mistake import SCOPES, Mistake
from rnn_lockstep.reference.oracle.case import Case

FAMILIES: dict[str, dict[str, Mistake]] = {
    "subnormal numbers": subnormal.SUBNORMAL,
    "weights": weights.WEIGHTS | weights.BIASES,
    "projection": weights.PROJECTIONS,
    "sequence": sequence.STATES | sequence.TIME | sequence.BATCH | sequence.FINAL_STATES,
    "inputs": inputs.INPUTS,
    "activation": activation.ACTIVATION,
    "gates": gates.ORDERS | gates.PARTIAL_ORDERS | gates.U_OF_ONE_GATE | gates.GATE_ACTIVATIONS,
    "gru": gru.GRU,
    "lstm": lstm.LSTM,
    "peepholes": peepholes.PEEPHOLES,
    "clip": clips.CLIPS,
    "padding": padding.LENGTHS | padding.MASKS,
    "reverse": padding.REVERSE,
    "directions": directions.DIRECTIONS | directions.MERGED,
    "stacks": stacks.STACKS | stacks.LAST_OUTPUTS,
    "products": precision.PRECISION,
    "updates": updates.UPDATES | updates.NORMALISED,
}
MISTAKES = {name: mistake for family in FAMILIES.values() for name, mistake in family.items()}

# What ports get wrong most often; two mistakes at once are looked for among these first.
COMMON = {
    MISTAKES[name].description
    for name in (
        "u_transposed",
        "kernels_transposed",
        "w_in_the_other_order",
        "biases_dropped",
        "recurrent_bias_dropped",
        "bias_doubled",
        "initial_state_ignored",
        "batch_first_forgotten",
        "gru_gates_in_order_zrn",
        "gru_reset_form_flipped",
        "gru_recurrent_bias_summed",
        "gru_update_gate_inverted",
        "lstm_gates_in_order_iofg",
        "lstm_gates_in_order_ifog",
        "lstm_gates_in_order_igfo",
        "lstm_forget_gate_plus_one",
        "lstm_initial_states_swapped",
        "lstm_final_states_swapped",
        "peepholes_dropped",
        "peepholes_in_order_iof",
        "hard_sigmoid_for_sigmoid",
        "hard_sigmoid_of_keras_2",
        "sigmoid_for_hard_sigmoid",
        "lengths_ignored",
        "reverse_ignored",
        "reverse_outputs_not_flipped_back",
        "directions_weights_swapped",
        "directions_backward_outputs_not_flipped_back",
    )
}


def possible(case: Case) -> list[Mistake]:
    """List the mistakes that can be made with a case, those of weights also with some of its cells only."""
    of_cell = [mistake for mistake in MISTAKES.values() if case.cell in mistake.cells]
    count = 1 + len(case.more_weights)
    scopes = [name for name, among in SCOPES.items() if 0 < sum(among(case, k) for k in range(count)) < count]
    return of_cell + [
        mistake.only_in(name) for mistake in of_cell if mistake.change_weights for name in scopes
    ]
