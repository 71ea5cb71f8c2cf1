"""Faults of gradients, on backends whose answers are right."""

from dataclasses import replace

import numpy as np

from adapters import Case, Cotangents
from tests.faults.catalogue.gru import reordered
from tests.faults.faulty import Array, Gradients, Memory, gradient_fault, right_gradients


def zeroed(found: Gradients, *names: str) -> Gradients:
    """The gradients without those of some arrays."""
    return {name: 0 * array if name in names else array for name, array in found.items()}


def plain(case: Case) -> bool:
    """Whether it is one simple RNN with tanh, run forwards on all steps."""
    one = not (case.more_weights or case.padded or case.reverse) and case.return_sequences
    return one and case.activation == "tanh"


def backwards(
    case: Case, cotangents: Cotangents, *, steps: int = 1000, late: int = 0, once: bool = False
) -> Gradients:
    """Backpropagation for such a case, with its mistakes.

    steps: after so many the cotangent is cut off.  late: how many steps late the tanh's derivative is
    taken.  once: the bias is counted in the last step only.
    """
    if not plain(case):
        return right_gradients(case, cotangents)
    states = [case.h0]
    for t in range(case.time):
        states.append(case.step(case.inputs[:, t], (states[-1],))[0])
    outputs = (
        np.zeros_like(np.stack(states[1:], axis=1)) if cotangents.outputs is None else cotangents.outputs
    )
    g = np.zeros_like(case.h0) if cotangents.final_state is None else cotangents.final_state
    found = {name: np.zeros_like(array) for name, array in case.arrays().items()}
    for t in reversed(range(case.time)):
        h = states[min(t + 1 + late, case.time)]
        z = (g + outputs[:, t]) * (1 - h * h)
        found["W"] += z.T @ case.inputs[:, t]
        found["U"] += z.T @ states[t]
        for name in ("b", "recurrent_b"):
            if name in found and not (once and t < case.time - 1):
                found[name] += z.sum(axis=0)
        found["inputs"][:, t] = z @ case.W
        g = z @ case.U * ((case.time - t) % steps != 0)
    if "initial_state" in found:
        found["initial_state"] = g.astype(case.dtype)
    return found


@gradient_fault()
def gradients_truncated_after_two_steps(case: Case, cotangents: Cotangents) -> Gradients:
    return backwards(case, cotangents, steps=2)


@gradient_fault()
def gradients_tanh_derivative_of_the_next_step(case: Case, cotangents: Cotangents) -> Gradients:
    return backwards(case, cotangents, late=1)


@gradient_fault()
def gradients_bias_counted_once(case: Case, cotangents: Cotangents) -> Gradients:
    return backwards(case, cotangents, once=True)


@gradient_fault()
def gradients_initial_state_dropped(case: Case, cotangents: Cotangents) -> Gradients:
    return zeroed(right_gradients(case, cotangents), "initial_state")


@gradient_fault()
def gradients_through_the_final_state_ignored(case: Case, cotangents: Cotangents) -> Gradients:
    return right_gradients(case, cotangents._replace(final_state=None))


@gradient_fault()
def gradients_through_the_last_output_only(case: Case, cotangents: Cotangents) -> Gradients:
    if cotangents.outputs is None or not case.return_sequences:
        return right_gradients(case, cotangents)
    outputs = cotangents.outputs.copy()
    outputs[:, :-1] = 0
    return right_gradients(case, cotangents._replace(outputs=outputs))


@gradient_fault(cell="gru")
def gradients_recurrent_bias_missing(case: Case, cotangents: Cotangents) -> Gradients:
    return zeroed(right_gradients(case, cotangents), "recurrent_b")


@gradient_fault()
def gradients_u_transposed(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    return {**found, "U": found["U"].T.copy()}


@gradient_fault()
def gradients_averaged_over_the_batch(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    weights = {name: array / max(case.batch, 1) for name, array in found.items() if name[0] in "WUb"}
    return {**found, **{name: array.astype(case.dtype) for name, array in weights.items()}}


@gradient_fault()
def gradients_clipped_at_one(case: Case, cotangents: Cotangents) -> Gradients:
    return {name: np.clip(g, -1, 1) for name, g in right_gradients(case, cotangents).items()}


@gradient_fault()
def gradients_of_inputs_one_step_late(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    return {**found, "inputs": np.roll(found["inputs"], 1, axis=1)}


@gradient_fault()
def gradients_computed_in_float32(case: Case, cotangents: Cotangents) -> Gradients:
    def single(array: Array | None) -> Array | None:
        return None if array is None else array.astype(np.float32)

    weights = (type(w)(*map(single, w)) for w in case.more_weights)
    arrays = {name: single(array) for name, array in case.arrays().items() if "." not in name}
    found = right_gradients(
        replace(case, **arrays, more_weights=tuple(weights)), Cotangents(*map(single, cotangents))
    )
    return {name: g.astype(case.dtype) for name, g in found.items()}


@gradient_fault(remembers=True)
def gradients_added_to_those_of_the_last_call(
    case: Case, cotangents: Cotangents, memory: Memory
) -> Gradients:
    """They were not set to zero."""
    found = right_gradients(case, cotangents)
    key = (case.dtype, case.kind, *(array.shape for array in found.values()))
    memory[key] = {name: g + memory.get(key, {}).get(name, 0) for name, g in found.items()}
    return {name: np.array(g, case.dtype) for name, g in memory[key].items()}


@gradient_fault()
def gradients_alive_on_padding(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    inputs = np.where(case.valid[..., None], found["inputs"], case.dtype.type(1e-6))
    return {**found, "inputs": inputs}


@gradient_fault()
def gradients_stop_below_the_last_layer(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    return zeroed(found, "inputs", "W", "U", "b") if case.layers > 1 else found


@gradient_fault()
def gradients_of_the_backward_direction_missing(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    backward = [f"more_weights[0].{name}" for name in "WUb"]
    return zeroed(found, *backward) if case.merge_mode else found


@gradient_fault()
def gradients_of_a_reverse_layer_not_flipped(case: Case, cotangents: Cotangents) -> Gradients:
    if not case.reverse or cotangents.outputs is None or not case.return_sequences:
        return right_gradients(case, cotangents)
    flipped = np.ascontiguousarray(cotangents.outputs[:, ::-1])
    return right_gradients(case, cotangents._replace(outputs=flipped))


@gradient_fault(cell="lstm")
def gradients_through_the_final_cell_state_ignored(case: Case, cotangents: Cotangents) -> Gradients:
    return right_gradients(case, cotangents._replace(final_cell_state=None))


@gradient_fault(cell="lstm")
def gradients_initial_cell_state_dropped(case: Case, cotangents: Cotangents) -> Gradients:
    return zeroed(right_gradients(case, cotangents), "initial_cell_state")


@gradient_fault(cell="lstm")
def gradients_of_lstm_gates_in_onnx_order(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    return {**found, "U": reordered(found["U"], [0, 3, 1, 2])}


@gradient_fault(cell="gru")
def gradients_of_gru_gates_in_keras_order(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    return {**found, "W": reordered(found["W"], [1, 0, 2])}


@gradient_fault(cell="gru")
def gradients_of_the_hidden_bias_without_the_reset_gate(case: Case, cotangents: Cotangents) -> Gradients:
    """The two biases' gradients taken for the same, as in an LSTM."""
    found = right_gradients(case, cotangents)
    same = "recurrent_b" in found and "b" in found
    return {**found, "recurrent_b": found["b"].copy()} if same else found
