"""Mistakes with the activation of a simple RNN."""

from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, with_options
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, sigmoid
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights, input_sum, recurrent_sum


def no_activation(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    return (input_sum(x_t, weights) + recurrent_sum(state[0], weights),)


def activated(activation: Any) -> Any:
    """Make a step with a function of the sum and of the right activation."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        z = input_sum(x_t, weights) + recurrent_sum(state[0], weights)
        return (activation(z, case.options.candidate),)

    return step


def bias_last(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    none = weights._replace(b=None)
    return (case.step(x_t, state, none)[0] + (0 if weights.b is None else weights.b),)


def clipped_at(limit: float) -> Any:
    """Make a step whose tanh is clipped, at the number of the case's dtype; any other activation is right."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        most = float(np.asarray(limit, case.dtype))
        h = case.step(x_t, state, weights)[0]
        return (np.minimum(np.maximum(h, -most), most) if case.activation == "tanh" else h,)

    return step


def leaky(z: Any, right: Any) -> Any:
    return np.maximum(z, 0) + 0.01 * np.minimum(z, 0) if right is ACTIVATIONS["relu"] else right(z)


def hard_tanh(z: Any, right: Any) -> Any:
    return np.minimum(np.maximum(z, -1), 1) if right is ACTIVATIONS["tanh"] else right(z)


SIMPLE = ("simple_rnn",)
ACTIVATION: dict[str, Mistake] = {
    "always_tanh": Mistake(
        "the activation is tanh in place of the one asked for",
        cells=SIMPLE,
        change_case=with_options(activation="tanh"),
    ),
    "always_relu": Mistake(
        "the activation is relu in place of the one asked for",
        cells=SIMPLE,
        change_case=with_options(activation="relu"),
    ),
    "activation_missing": Mistake("the activation is missing", cells=SIMPLE, step=no_activation),
    "activation_is_sigmoid": Mistake(
        "the activation is sigmoid", cells=SIMPLE, step=activated(lambda z, right: sigmoid(z))
    ),
    "activated_twice": Mistake(
        "the activation is applied twice", cells=SIMPLE, step=activated(lambda z, right: right(right(z)))
    ),
    "relu_clipped_at_6": Mistake(
        "relu is clipped at 6", cells=SIMPLE, step=activated(lambda z, right: np.minimum(right(z), 6))
    ),
    "tanh_clipped": Mistake("tanh is clipped at 0.9999", cells=SIMPLE, step=clipped_at(0.9999)),
    "tanh_clipped_at_0_9": Mistake("tanh is clipped at 0.9", cells=SIMPLE, step=clipped_at(0.9)),
    "relu_leaks": Mistake("relu leaks: it is 0.01 z below zero", cells=SIMPLE, step=activated(leaky)),
    "hard_tanh_for_tanh": Mistake(
        "the activation is the hard tanh: z, clipped at 1", cells=SIMPLE, step=activated(hard_tanh)
    ),
    "bias_after_the_activation": Mistake("b is added after the activation", cells=SIMPLE, step=bias_last),
}
