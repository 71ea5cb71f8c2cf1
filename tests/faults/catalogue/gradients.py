"""Faults of gradients, on backends whose answers are right."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents
from tests.faults.faulty import Array, Gradients, Memory, gradient_fault, right_gradients, run_layers


def plain(case: Case) -> bool:
    """Tell whether it is one simple RNN with tanh, run forwards on all steps."""
    one = not (case.more_weights or case.padded or case.reverse) and case.return_sequences
    return one and case.activation == "tanh"


def backwards(
    case: Case, cotangents: Cotangents, *, steps: int = 1000, late: int = 0, once: bool = False
) -> Gradients:
    """Propagate back through such a case, with a mistake.

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
    """Add to gradients that were not set to zero."""
    found = right_gradients(case, cotangents)
    key = (case.dtype, case.kind, *(array.shape for array in found.values()))
    memory[key] = {name: g + memory.get(key, {}).get(name, 0) for name, g in found.items()}
    return {name: np.array(g, case.dtype) for name, g in memory[key].items()}


@gradient_fault()
def gradients_alive_on_padding(case: Case, cotangents: Cotangents) -> Gradients:
    found = right_gradients(case, cotangents)
    inputs = np.where(case.valid[..., None], found["inputs"], case.dtype.type(1e-6))
    return {**found, "inputs": inputs}


@gradient_fault(cell="gru")
def gradients_truncated_after_16_steps(case: Case, cotangents: Cotangents) -> Gradients:
    return in_pieces(case, cotangents, 16) if case.layers == 1 else right_gradients(case, cotangents)


@gradient_fault(cell="lstm")
def gradients_of_stacks_truncated_after_16_steps(case: Case, cotangents: Cotangents) -> Gradients:
    return in_pieces(case, cotangents, 16) if case.layers > 1 else right_gradients(case, cotangents)


def in_pieces(case: Case, cotangents: Cotangents, steps: int) -> Gradients:
    """Propagate back through each piece of so many steps by itself, as training in pieces does."""
    if case.padded or case.reverse or case.merge_mode or not case.return_sequences:
        return right_gradients(case, cotangents)
    found: list[Gradients] = []
    for first in range(0, case.time, steps):
        here = slice(first, first + steps)
        before = run_layers(replace(case, inputs=case.inputs[:, :first]))
        state = dict(zip(("initial_state", "initial_cell_state"), before.states, strict=False))
        piece = replace(case, inputs=case.inputs[:, here], **(state if first else {}))
        own = cotangents if first + steps >= case.time else Cotangents()
        outputs = None if cotangents.outputs is None else cotangents.outputs[:, here]
        found.append(right_gradients(piece, own._replace(outputs=outputs)))
    weights = {name for name in found[0] if not name.startswith("initial")} - {"inputs"}
    joined = {name: sum(piece[name] for piece in found) for name in weights}
    inputs = np.concatenate([piece["inputs"] for piece in found], axis=1)
    return {**found[0], **joined, "inputs": inputs}
