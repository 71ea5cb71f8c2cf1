"""Mistakes with the gates of a GRU or an LSTM: their order, one of them alone, their activation."""

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import (
    GATED,
    SAME_GATES,
    Change,
    Mistake,
    change_one_gate,
    with_options,
)
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import GATES, Weights
from rnn_lockstep.reference.oracle.validation import Array

# Where an order of gates is known from. Source: the frameworks' own documentation.
KNOWN_ORDERS = {
    "zrn": "Keras's and ONNX's",
    "iofg": "ONNX's",
    "igof": "torch's, taken for ONNX's",
    "ifog": "with the candidate last",
    "igfo": "haiku's",
}


def reordered(order: Sequence[int], *names: str) -> Change:
    """Put the equal parts of some arrays, one for each gate, into another order."""

    def change(case: Case, w: Weights) -> Weights:
        arrays = {name: getattr(w, name) for name in names}
        parts = {name: np.split(a, len(order)) for name, a in arrays.items() if a is not None}
        return w._replace(**{name: np.concatenate([part[k] for k in order]) for name, part in parts.items()})

    return change


def in_order(cell: str, letters: str) -> Mistake:
    """Make the mistake of taking the gates of all arrays in another order."""
    order = [GATES[cell].index(letter) for letter in letters]
    known = f" ({KNOWN_ORDERS[letters]})" if letters in KNOWN_ORDERS else ""
    says = f"the gates are taken in the order {', '.join(letters)}{known} for {', '.join(GATES[cell])}"
    return Mistake(says, reordered(order, "W", "U", "b", "recurrent_b"), cells=SAME_GATES[cell])


def orders(cell: str) -> list[str]:
    """List every order of a cell's gates but the right one, the known ones first."""
    others = ["".join(order) for order in permutations(GATES[cell])]
    others.remove("".join(GATES[cell]))
    return sorted(others, key=lambda letters: letters not in KNOWN_ORDERS)


def in_order_of(cell: str, letters: str, says: str, *names: str) -> Mistake:
    """Make the mistake of taking the gates of some arrays, called `says`, in another order."""
    order = [GATES[cell].index(letter) for letter in letters]
    says = f"the gates of {says} are taken in the order {', '.join(letters)}"
    return Mistake(says, reordered(order, *names), cells=SAME_GATES[cell])


ORDERS = {
    f"{cell}_gates_in_order_{letters}": in_order(cell, letters)
    for cell in SAME_GATES
    for letters in orders(cell)
}
PARTIAL_ORDERS = {
    f"{cell}_{name}_in_order_{letters}": in_order_of(cell, letters, says, *names)
    for cell, letters in (("gru", "zrn"), ("lstm", "iofg"), ("lstm", "ifog"), ("lstm", "igfo"))
    for name, says, names in (
        ("w", "W alone", ("W",)),
        ("u", "U alone", ("U",)),
        ("biases", "the biases alone", ("b", "recurrent_b")),
    )
}


def change_gate_of(gate: str, change: Callable[[Array], Array], *names: str) -> Change:
    """Change the part of one gate in some of a cell's arrays."""

    def weights(case: Case, w: Weights) -> Weights:
        arrays = {name: getattr(w, name) for name in names}
        return w._replace(
            **{name: change_one_gate(case, a, gate, change) for name, a in arrays.items() if a is not None}
        )

    return weights


U_OF_ONE_GATE = {
    f"{cell}_u_of_{gate}_transposed": Mistake(
        f"U is transposed for the gate {gate} alone", change_gate_of(gate, np.transpose, "U"), cells=cells
    )
    for cell, cells in SAME_GATES.items()
    for gate in GATES[cell]
}


GATE_ACTIVATIONS: dict[str, Mistake] = {
    "tanh_for_the_activation": Mistake(
        "the layer's activation is ignored: candidate and output have tanh",
        cells=GATED,
        change_case=with_options(activation="tanh"),
    ),
    "relu_for_the_activation": Mistake(
        "candidate and output have relu", cells=GATED, change_case=with_options(activation="relu")
    ),
    "hard_sigmoid_for_sigmoid": Mistake(
        "the gates' activation is hard_sigmoid (z/6 + 1/2)",
        cells=GATED,
        change_case=with_options(recurrent_activation="hard_sigmoid"),
    ),
    "hard_sigmoid_of_keras_2": Mistake(
        "the gates' activation is the hard_sigmoid of Keras 2 (z/5 + 1/2)",
        cells=GATED,
        change_case=with_options(recurrent_activation="hard_sigmoid_keras2"),
    ),
    "sigmoid_for_hard_sigmoid": Mistake(
        "the gates' activation is sigmoid",
        cells=GATED,
        change_case=with_options(recurrent_activation="sigmoid"),
    ),
}
