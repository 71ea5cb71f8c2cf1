"""One step of a cell in the words of NumPy and of JAX, with the weights of a framework."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnn_lockstep.reference import Case

# The body of a function in NumPy, of real numbers and, for a complex step, of complex ones.
FUNCTIONS = {
    "relu": ("np.maximum(z, 0)", "np.where(z.real > 0, z, 0)"),
    "sigmoid": ("1 / (1 + np.exp(-z))", "1 / (1 + np.exp(-z))"),
    "hard_sigmoid": (
        "np.clip(z / 6 + 0.5, 0, 1)",
        "np.where(abs(z.real) < 3, z / 6 + 0.5, z.real > 0)",
    ),
    "hard_sigmoid_keras2": (
        "np.clip(z / 5 + 0.5, 0, 1)",
        "np.where(abs(z.real) < 2.5, z / 5 + 0.5, z.real > 0)",
    ),
}


# What a layer makes of the outputs of its two directions.
MERGED = {
    None: "{}",
    "concat": "np.concatenate([{}, {}], axis=-1)",
    "sum": "{} + {}",
    "mul": "{} * {}",
    "ave": "({} + {}) / 2",
}


class Formula(NamedTuple):
    """How NumPy or JAX says one step of a cell, for `templates/cell.jinja`.

    product: of a state and a part of the recurrent weights.  axis: ends a call that splits the last axis.
    """

    input_sum: str
    recurrent_sum: str
    product: Callable[[str, str], str]
    sigmoid: str
    activation: str
    module: str = "np"
    axis: str = ""


def functions(case: Case, of_complex: bool) -> dict[str, str]:
    """Those of NumPy that a formula needs beside tanh, with their bodies."""
    name = case.activation if case.cell == "simple_rnn" else case.recurrent_activation
    return {name.removesuffix("_keras2"): FUNCTIONS[name][of_complex]} if name in FUNCTIONS else {}


def in_numpy(framework: str, case: Case, names: Sequence[str]) -> Formula:
    """Of one row. names: of the framework's weights."""
    W, U, *_ = names
    (function,) = functions(case, False) or ("",)
    activation = "np.tanh" if case.activation == "tanh" else function
    if framework == "keras":
        both, product = sums(framework, case, names, f"x[t] @ {W}", f"h @ {U}"), "{} @ {}"
    else:
        both, product = sums(framework, case, names, f"{W} @ x[t]", f"{U} @ h"), "{1} @ {0}"
    return Formula(*both, product.format, function, activation)


def in_jax(case: Case, names: Sequence[str]) -> Formula:
    """In jax.numpy, of all rows."""
    name = case.recurrent_activation
    sigmoid = "keras2_hard_sigmoid" if name == "hard_sigmoid_keras2" else f"jax.nn.{name}"
    activation = "jnp.tanh" if case.activation == "tanh" else "jax.nn.relu"
    both = sums("jax", case, names, "x @ W.T", "h @ U.T")
    return Formula(*both, "{} @ {}.T".format, sigmoid, activation, "jnp", ", axis=-1")


def sums(
    framework: str, case: Case, names: Sequence[str], input_sum: str, recurrent_sum: str
) -> tuple[str, str]:
    """Both with their biases; those of a GRU that resets before its product are all of the input's."""
    before = case.cell == "gru" and not case.reset_after
    if framework == "keras" and case.cell == "gru" and not before:
        biases = {"bias[0]": False, "bias[1]": True} if len(names) == 3 else {}
    else:
        biases = {name: name in ("bias_hh", "recurrent_b") and not before for name in names[2:]}
    for name, recurrent in biases.items():
        if recurrent:
            recurrent_sum += f" + {name}"
        else:
            input_sum += f" + {name}"
    return input_sum, recurrent_sum
