"""Sequences for a layer with its real weights: the same ones for the same seed, the smallest first."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

# Batch and time of the first ones; in the later ones up to MOST, as drawn.
SMALL = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (2, 3), (3, 4), (4, 3))
MOST = (5, 30)
LONG = (1, 70)  # of one more, which shows what goes wrong late

# Inputs of a shape: what models see, what is exact in every dtype, nearly nothing, much, long the same.
INPUTS: tuple[Callable[[Any, tuple[int, ...]], Array], ...] = (
    lambda rng, shape: rng.normal(size=shape),
    lambda rng, shape: rng.integers(-128, 128, shape) / 64,
    lambda rng, shape: rng.normal(size=shape) * 0.01,
    lambda rng, shape: rng.normal(size=shape) * 5,
    lambda rng, shape: np.broadcast_to(rng.normal(size=(*shape[:1], 1, *shape[2:])), shape),
)
# Initial states: h is within what a cell can emit, c of an LSTM is not bound to it.
STATES: dict[str, Callable[[Any, tuple[int, ...]], Array]] = {
    "initial_state": lambda rng, shape: np.clip(rng.normal(size=shape) / 2, -0.99, 0.99),
    "initial_cell_state": lambda rng, shape: rng.normal(size=shape),
}


def sequences(
    layer: RecurrentLayer, count: int, seed: int, *, initial_state: bool, lengths: bool
) -> list[Case]:
    """As many cases of the layer as `count`.

    initial_state, lengths: whether some of them may have one. Lengths are at least 1, and padding is
    zeros, as models get it.
    """
    rng = np.random.default_rng(seed)
    sizes = [*SMALL, LONG, *zip(*(rng.integers(1, most + 1, count) for most in MOST), strict=True)][:count]
    sizes.sort(key=lambda size: (size[0] * size[1], size[1]))
    return [
        drawn(layer, rng, k, int(batch), int(time), initial_state and k % 3 > 0, lengths and k % 2 > 0)
        for k, (batch, time) in enumerate(sizes)
    ]


def drawn(
    layer: RecurrentLayer, rng: Any, kind: int, batch: int, time: int, given_state: bool, padded: bool
) -> Case:
    """One case. kind: the number of an entry of INPUTS, counted round."""
    inputs = np.array(INPUTS[kind % len(INPUTS)](rng, (batch, time, layer.input_size)))
    more: dict[str, Array] = {}
    if padded:
        more["lengths"] = rng.integers(1, time + 1, batch)
        inputs[np.arange(time) >= more["lengths"][:, None]] = 0
    if given_state:
        shapes = layer.case(np.zeros((batch, 0, layer.input_size), layer.dtype)).state_shapes
        for (name, draw), shape in zip(STATES.items(), shapes, strict=False):
            more[name] = draw(rng, shape).astype(layer.dtype)
    return layer.case(inputs.astype(layer.dtype), **more)


def telling(layer: RecurrentLayer, seed: int, *, initial_state: bool, lengths: bool) -> list[Case]:
    """A few cases that tell mistakes apart: as many rows as steps and not, with a state and without."""
    rng = np.random.default_rng(seed)
    sizes = [(3, 6), (4, 4), (5, 9)]
    return [
        drawn(layer, rng, 0, batch, time, initial_state and k != 2, lengths and k == 2)
        for k, (batch, time) in enumerate(sizes)
    ]


def many_rows(layer: RecurrentLayer, seed: int, *, initial_state: bool) -> list[Case]:
    """Cases of random numbers, with enough of them to average rounding out."""
    rng = np.random.default_rng(seed)
    return [drawn(layer, rng, 0, 16, 6, initial_state, padded=False) for _ in range(2)]
