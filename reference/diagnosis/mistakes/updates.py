"""Mistakes with a step as a whole: what is added to the state, normalised, or updated too early."""

from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.error_array import ErrorArray
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, Result
from rnn_lockstep.reference.diagnosis.mistakes.sequence import outputs_after
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.cells import State, Weights, input_sum, recurrent_sum, split

SIMPLE, LSTM = ("simple_rnn",), ("lstm",)

# Residual connections.


def state_added(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    new, *more = case.step(x_t, state, weights)
    return new + state[0], *more


def input_added(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    new, *more = case.step(x_t, state, weights)
    return new + x_t if x_t.shape == new.shape else new, *more


def input_added_to_outputs(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    outputs, final = run(direction, inputs)
    if inputs.shape != outputs.shape:
        return outputs, final
    return outputs + np.where(case.valid[..., None], inputs, 0), final


def states_mixed(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take zoneout's step, as at inference, in its usual strength."""
    return tuple(0.9 * n + 0.1 * old for n, old in zip(case.step(x_t, state, weights), state, strict=True))


# Normalisation, without a gain: (z - mean) / sqrt(variance + epsilon).


def normalised(z: Any, epsilon: float) -> Any:
    """Normalise an array over its last axis."""
    size = z.shape[-1]
    centred = z @ (np.eye(size) - 1 / size)
    variance = (centred * centred) @ np.full((size, 1), 1 / size)

    def inverse(v: Any) -> Any:
        """The inverse root, negative so that it does not decrease."""
        return -1 / np.sqrt(np.maximum(v, 0) + epsilon)

    scale = variance.activated("inverse root", inverse) if isinstance(z, ErrorArray) else inverse(variance)
    return centred * (-1 * scale)


def sum_normalised(case: Case, t: int, x_t: Any, state: State, weights: Weights, epsilon: float) -> State:
    z = input_sum(x_t, weights) + recurrent_sum(state[0], weights)
    return (case.options.candidate(normalised(z, epsilon)),)


def gates_normalised(case: Case, t: int, x_t: Any, state: State, weights: Weights, epsilon: float) -> State:
    gate, candidate = case.options.gate, case.options.candidate
    sums = split(input_sum(x_t, weights) + recurrent_sum(state[0], weights), 4)
    i, f, g, o = (normalised(z, epsilon) for z in sums)
    gates = [gate(i), gate(f), candidate(g), gate(o)]
    assert case.record.next_cell_state is not None  # an LSTM has one
    c = case.record.next_cell_state(gates, state[1], weights, case.options)
    return case.record.output(gates, state[0], c, weights, case.options), c


def state_normalised(case: Case, t: int, x_t: Any, state: State, weights: Weights, epsilon: float) -> State:
    new, *more = case.step(x_t, state, weights)
    return normalised(new, epsilon), *more


def inputs_normalised(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    """Run a direction of the first layer on inputs that are normalised over their features."""
    above = direction.name.startswith("layer") and not direction.name.startswith("layer 0")
    return run(direction, inputs if above else normalised(inputs, 1e-5))


# Units one after the other.


def in_turn(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Update the units in place: each sees the new state of those before it."""
    [h], activation = state, case.options.candidate
    inputs = input_sum(x_t, weights)
    for j in range(case.hidden_size):
        own = weights._replace(U=weights.U[j : j + 1])
        if weights.recurrent_b is not None:
            own = own._replace(recurrent_b=weights.recurrent_b[j : j + 1])
        new = activation(inputs[..., j : j + 1] + recurrent_sum(h, own))
        h = np.concatenate([h[..., :j], new, h[..., j + 1 :]], axis=-1)
    return (h,)


EPSILONS = {"torch": 1e-5, "keras": 1e-3, "flax": 1e-6}  # their defaults
UPDATES: dict[str, Mistake] = {
    "state_added_to_the_new_one": Mistake(
        "the state is added to the new one, as a residual connection", step=state_added
    ),
    "input_added_to_the_new_state": Mistake(
        "the input is added to the new state, as a residual connection", step=input_added
    ),
    "input_added_to_the_outputs": Mistake(
        "the inputs are added to the outputs, and not to the state, as a residual connection",
        run_direction=input_added_to_outputs,
    ),
    "old_and_new_states_mixed": Mistake(
        "each state is 0.9 times the new state and 0.1 times the one before, as with zoneout",
        step=states_mixed,
    ),
    "units_updated_in_turn": Mistake(
        "the units are updated in place: each sees the new state of those before it",
        cells=SIMPLE,
        step=in_turn,
    ),
    "inputs_normalised_over_features": Mistake(
        "the inputs are normalised over their features", run_direction=inputs_normalised
    ),
}
NORMALISED: dict[str, Mistake] = {
    f"{name}_with_the_epsilon_of_{framework}": Mistake(
        f"{says} (epsilon {epsilon:g})", cells=cells, step=partial(step, epsilon=epsilon)
    )
    for name, says, cells, step in (
        ("sum_normalised", "the sum is layer-normalised before the activation", SIMPLE, sum_normalised),
        ("gates_normalised", "each gate's sum is layer-normalised", LSTM, gates_normalised),
        ("state_normalised", "each new state h is layer-normalised", SIMPLE, state_normalised),
    )
    for framework, epsilon in EPSILONS.items()
} | {
    f"outputs_normalised_with_the_epsilon_of_{framework}": Mistake(
        f"the outputs are layer-normalised, after the layer (epsilon {epsilon:g})",
        change_trace=outputs_after(partial(normalised, epsilon=epsilon)),
    )
    for framework, epsilon in EPSILONS.items()
}
