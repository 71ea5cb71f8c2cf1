"""Training: a few updates by gradient descent on the same data, the error carried from one to the next.

    L = ½·Σ (outputs - targets)²,  w <- w - rate·dL/dw

for the W, U and biases w of every cell. From the first update on neither the oracle nor a backend has
exact weights, so these take an error into the next forward pass. It grows with every update, the more
the larger the rate is, and where it has grown too far the verdict is inconclusive.
Source: Cauchy (1847), "Méthode générale pour la résolution des systèmes d'équations simultanées",
Comptes rendus 25.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.bound.rounding import Rounded
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.engine import Convert, merge
from rnn_lockstep.reference.oracle.gradients import (
    Cotangents,
    backpropagate,
    cotangents_of,
    forward,
)
from rnn_lockstep.reference.oracle.shown import as_float64, with_error
from rnn_lockstep.reference.oracle.validation import Array, as_floats, need_shape


def training(
    case: Case, targets: Array, rate: float, updates: int, arithmetic: Arithmetic | None = None
) -> list[dict[str, Any]]:
    """The weights after each of so many updates, by the names of `case.arrays()`.

    targets: in the shape of the outputs and the case's dtype; what they hold on padding does not matter.
    rate: rounded to the case's dtype.
    arithmetic: of a backend; each result is `Rounded` then, and what a correct backend has lies within
    its error. Without it, results are float64 arrays.
    Raises ValueError when the targets do not fit the case.
    """
    with np.errstate(all="ignore"):
        convert = with_error(arithmetic).exact if arithmetic else as_float64
        return training_in(convert, case, targets, rate, updates)


def training_in(
    convert: Convert, case: Case, targets: Array, rate: float, updates: int
) -> list[dict[str, Any]]:
    """The weights after each update, as for `training`, in the arithmetic that `convert` converts to."""
    wanted, finals = cotangents_of(convert, case, Cotangents(outputs=checked_targets(case, targets)))
    weights = {name: convert(array) for name, array in weights_of(case).items()}
    results = []
    for _ in range(updates):
        layers = forward(convert, case, cells_of(case, weights))
        last = [run.outputs if case.return_sequences else run.final[0] for run in layers[-1]]
        off = merge(case, last) - wanted  # on padding 0; a row without steps reaches no weights
        weights = updated(case, weights, backpropagate(convert, case, layers, off, finals), rate)
        results.append(weights)
    return results


def updated(
    case: Case, weights: Mapping[str, Any], gradients: Mapping[str, Any], rate: float
) -> dict[str, Any]:
    """The new weights w - rate·dL/dw, by name, in their arithmetic."""
    rate = float(case.dtype.type(rate))
    new = {name: w - gradients[name] * rate for name, w in weights.items()}
    return {name: w.closed() if isinstance(w, Rounded) else w for name, w in new.items()}


def trained(case: Case, gradients: Mapping[str, Array], rate: float) -> Case:
    """The case with the weights after a backend's next update, from its gradients, in the case's dtype."""
    first, *more = cells_of(case, updated(case, weights_of(case), gradients, rate))
    return replace(case, **first._asdict(), more_weights=tuple(more))


def loss_cotangents(case: Case, outputs: Array, targets: Array) -> Cotangents:
    """The derivatives of L with respect to a backend's outputs: outputs - targets."""
    return Cotangents(outputs=outputs - checked_targets(case, targets))


def checked_targets(case: Case, targets: Array) -> Array:
    """Return the targets; raise a ValueError when they do not fit the case."""
    steps = (case.time,) if case.return_sequences else ()
    as_floats("targets", targets, (case.dtype.name,), finite=False)
    need_shape("targets", targets, (case.batch, *steps, case.features), "that of the outputs")
    return targets


def weights_of(case: Case) -> dict[str, Array]:
    """The arrays that training changes, by the names of `case.arrays()`."""
    arrays = case.arrays()
    return {name: array for name, array in arrays.items() if name.rpartition(".")[2] in Weights._fields}


def cells_of(case: Case, weights: Mapping[str, Any]) -> list[Weights]:
    """Each cell's weights, from all of them by name."""
    cells = ["", *(f"more_weights[{k}]." for k in range(len(case.more_weights)))]
    return [Weights(*(weights.get(cell + name) for name in Weights._fields)) for cell in cells]
