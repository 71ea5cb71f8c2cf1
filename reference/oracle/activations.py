"""The activations: nondecreasing functions, and the way back through each, as a table.

Each function is written once, and runs on float arrays, on `Rounded` arrays (the bound), on object arrays
(exact numbers) and on complex arrays (derivatives by a complex step).

Derivatives are written with the activations' values, tanh' = 1 - y² and sigmoid' = y(1 - y), because that
is how all frameworks compute them. On `Rounded` arrays the bound also covers other factorings:
(1 - y)(1 + y) and JAX's (g + g·y)(1 - y); y - y² and torch's (g(1 - y))y. Each term of 1 - y² counts as
rounded three times, and its size as 1 + y², which is more than any of these lose (Higham 2002, lemma 3.1).
It does not cover derivatives computed afresh from the sum that was activated, such as 1/cosh², whose error
has another form; for softsign it does. Where a kink may have been crossed, either derivative is right: see
`bound.rounding.greater`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from rnn_lockstep.reference.bound.error_array import ErrorArray

Function = Callable[[Any], Any]


def relu(z: Any) -> Any:
    """The rectifier max(z, 0), elementwise."""
    return np.maximum(z, 0)


def linear(z: Any) -> Any:
    """The identity z."""
    return z


def sigmoid(z: Any) -> Any:
    """The logistic function 1 / (1 + exp(-z)), elementwise."""
    if getattr(z, "dtype", np.dtype(float)).kind in "Oc":  # exact and complex numbers
        return 1 / (1 + np.exp(-z))
    return expit(z)


def hard_sigmoid(z: Any) -> Any:
    """The hard sigmoid of Keras 3: z/6 + 1/2, clipped to [0, 1], elementwise."""
    return np.minimum(np.maximum(z / 6 + 0.5, 0), 1)


def hard_sigmoid_keras2(z: Any) -> Any:
    """The hard sigmoid of Keras 2 and ONNX: z/5 + 1/2, clipped to [0, 1], elementwise."""
    return np.minimum(np.maximum(z / 5 + 0.5, 0), 1)


def softsign(z: Any) -> Any:
    """The function z / (1 + |z|), elementwise.

    Source: Bergstra et al. (2009), "Quadratic polynomials learn better image features".
    """
    if isinstance(z, ErrorArray):
        return z.activated("softsign", softsign)
    return z / (1 + np.maximum(z, -z))  # the maximum is |z|, of complex numbers too


def elu(z: Any) -> Any:
    """The exponential linear unit, elementwise: z where it is positive, exp(z) - 1 elsewhere.

    Source: Clevert et al. (2015), arXiv:1511.07289, with alpha = 1.
    """
    if isinstance(z, ErrorArray):
        return z.activated("elu", elu)
    return np.maximum(z, 0) + np.expm1(np.minimum(z, 0))


def through_tanh(g: Any, y: Any) -> Any:
    """The cotangent g·(1 - y²) of z, for y = tanh(z)."""
    return g * (1 - y * y)


def through_relu(g: Any, y: Any) -> Any:
    """The cotangent of z for y = max(z, 0): g where y > 0, otherwise 0, as in torch, Keras and JAX."""
    return g * (y > 0)


def through_linear(g: Any, y: Any) -> Any:
    """The cotangent g of z, for y = z."""
    return g


def through_sigmoid(g: Any, y: Any) -> Any:
    """The cotangent g·y(1 - y) of z, for y = 1 / (1 + exp(-z))."""
    return g * (y * (1 - y))


def through_hard_sigmoid(g: Any, y: Any) -> Any:
    """The cotangent of z for Keras 3's hard sigmoid y: g/6 where y is not clipped, otherwise 0."""
    return g * (y > 0) * (y < 1) / 6


def through_hard_sigmoid_keras2(g: Any, y: Any) -> Any:
    """The cotangent of z for Keras 2's hard sigmoid y: g/5 where y is not clipped, otherwise 0."""
    return g * (y > 0) * (y < 1) / 5


def through_softsign(g: Any, y: Any) -> Any:
    """The cotangent g·(1 - |y|)² of z, for y = z / (1 + |z|)."""
    slope = 1 - np.absolute(y)
    return g * (slope * slope)


def through_elu(g: Any, y: Any) -> Any:
    """The cotangent of z for y = elu(z): g where y > 0, otherwise g·(y + 1), which is g·exp(z)."""
    return g * (np.minimum(y, 0) + 1)


@dataclass(frozen=True)
class Activation:
    """An activation of a cell, forwards and backwards.

    function: z -> y.  through: (g, y) -> the cotangent of z, from y = function(z) and y's cotangent g.
    least, most: the limits of its values.
    """

    function: Function
    through: Callable[[Any, Any], Any]
    least: float
    most: float

    def __call__(self, z: Any) -> Any:
        """The function's value, elementwise, in the arithmetic of z."""
        return self.function(z)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(np.tanh, through_tanh, -1, 1),
    "relu": Activation(relu, through_relu, 0, np.inf),
    "sigmoid": Activation(sigmoid, through_sigmoid, 0, 1),
    "linear": Activation(linear, through_linear, -np.inf, np.inf),
    "softsign": Activation(softsign, through_softsign, -1, 1),
    "elu": Activation(elu, through_elu, -1, np.inf),
    "hard_sigmoid": Activation(hard_sigmoid, through_hard_sigmoid, 0, 1),
    "hard_sigmoid_keras2": Activation(hard_sigmoid_keras2, through_hard_sigmoid_keras2, 0, 1),
}


def clip(array: Any, limit: Any) -> Any:
    """The numbers of an array, none beyond a limit of either sign."""
    return np.minimum(np.maximum(array, -limit), limit)


def clipped(name: str, limit: float | None) -> Activation:
    """The activation of a sum that is clipped to [-limit, limit] first; the plain one where limit is None.

    Its values do not tell whether the sum was clipped, so there is no way back: see `oracle/gradients.py`.
    """
    plain = ACTIVATIONS[name]
    if limit is None:
        return plain
    least, most = (float(plain(np.float64(end))) for end in (-limit, limit))
    return replace(plain, function=lambda z: plain(clip(z, limit)), least=least, most=most)
