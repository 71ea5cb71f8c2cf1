"""Faults that only training sees: the same data come again, with weights that have changed a little."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents
from rnn_lockstep.reference.oracle.gradients import backpropagate, cotangents_of, forward
from rnn_lockstep.reference.oracle.training import cells_of, weights_of
from tests.faults.faulty import Array, Gradients, Memory, gradient_fault, right_gradients


def data(case: Case) -> tuple[object, ...]:
    """Return all of a case that stays the same while a layer is trained."""
    arrays, weights = case.arrays(), weights_of(case)
    shapes = tuple(array.shape for array in arrays.values())
    rest = tuple(array.tobytes() for name, array in arrays.items() if name not in weights)
    return (case.kind, case.dtype, shapes, rest, case.valid.tobytes())


def with_weights(case: Case, weights: dict[str, Array]) -> Case:
    """Replace some of a case's weights."""
    first, *more = cells_of(case, {**weights_of(case), **weights})
    return replace(case, **first._asdict(), more_weights=tuple(more))


def kept(case: Case, memory: Memory, *names: str) -> dict[str, Array]:
    """Return the weights of these names as they were when the same data came first."""
    first = memory.setdefault(data(case), weights_of(case))
    return {name: first[name] for name in names if name in first}


@gradient_fault("training", remembers=True)
def training_gradients_of_the_first_weights(case: Case, cotangents: Cotangents, memory: Memory) -> Gradients:
    first = with_weights(case, kept(case, memory, *weights_of(case)))
    return right_gradients(first, cotangents)


@gradient_fault("training", remembers=True)
def training_backward_pass_with_the_first_weights(
    case: Case, cotangents: Cotangents, memory: Memory
) -> Gradients:
    """Take the new weights for the forward pass only."""

    def same(array: Array) -> Array:
        return array

    of_cells = iter(cells_of(case, kept(case, memory, *weights_of(case))))
    outputs, finals = cotangents_of(same, case, cotangents)
    layers = [
        [run._replace(direction=run.direction._replace(weights=next(of_cells))) for run in runs]
        for runs in forward(same, case)
    ]
    found = backpropagate(same, case, layers, outputs, finals)
    return {name: found[name] for name in case.arrays()}


@gradient_fault("training", remembers=True)
def training_small_changes_not_loaded(case: Case, cotangents: Cotangents, memory: Memory) -> Gradients:
    """Load an array into the layer again only if it is clearly another than the one there."""
    there = memory.setdefault((case.kind, case.dtype), {})
    for name, array in weights_of(case).items():
        loaded = there.get(name)
        if loaded is None or loaded.shape != array.shape or not np.allclose(loaded, array, atol=0.1):
            there[name] = array
    own = {name: there[name] for name in weights_of(case)}
    return right_gradients(with_weights(case, own), cotangents)


@gradient_fault("training", cell="gru", remembers=True)
def training_recurrent_bias_kept(case: Case, cotangents: Cotangents, memory: Memory) -> Gradients:
    return right_gradients(with_weights(case, kept(case, memory, "recurrent_b")), cotangents)


@gradient_fault("training", cell="lstm", remembers=True)
def training_input_weights_kept(case: Case, cotangents: Cotangents, memory: Memory) -> Gradients:
    return right_gradients(with_weights(case, kept(case, memory, "W")), cotangents)
