"""The conventions of a framework: what it calls its layers and their weights, and how it stores them."""

from typing import Any, NamedTuple

from rnn_lockstep.adapters.backends.keras_adapter import variables_of
from rnn_lockstep.adapters.backends.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights

CONCATENATED = (None, "concat")  # merge modes that show the outputs of each direction


class NoScript(Exception):
    """No script shows the discrepancy; the message says why, in one line."""


class Framework(NamedTuple):
    """A framework's names: of its layers before the cell's, of a simple RNN, and of a cell's weights."""

    layers: str
    simple_rnn: str
    weights: tuple[str, ...]


FRAMEWORKS = {
    "torch": Framework("torch.nn.", "RNN", ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    "keras": Framework("keras.layers.", "SimpleRNN", ("kernel", "recurrent_kernel", "bias")),
    "jax": Framework("jax.lax.scan of ", "RNN", ("W", "U", "b", "recurrent_b")),
}


def layer_name(framework: str, cell: str) -> str:
    """Name the framework's layer of a cell."""
    own = FRAMEWORKS[framework]
    return own.layers + (own.simple_rnn if cell == "simple_rnn" else cell.upper())


def stored(framework: str, case: Case, weights: Weights) -> list[Any]:
    """List a cell's arrays as the framework has them."""
    if framework == "keras":
        return variables_of(case, weights)
    packed = pack(weights, case.cell, "torch") if framework == "torch" else weights
    return [array for array in packed if array is not None]


def names(framework: str, case: Case) -> list[str]:
    """Name each array of `stored`."""
    own = FRAMEWORKS[framework].weights
    if framework == "jax":  # which has either bias alone
        return [name for name, w in zip(own, case.weights, strict=False) if w is not None]
    return list(own[: len(stored(framework, case, case.weights))])


def named(framework: str, case: Case, cell: int) -> list[str]:
    """Name each array of one of several cells, as a user of the framework finds it."""
    layer, backward = divmod(cell, case.directions)
    if framework == "torch":
        suffix = f"_l{layer}{'_reverse' if backward or case.reverse else ''}"
    else:
        suffix = (" (backward)" if backward else " (forward)") if case.directions == 2 else ""
    return [name + suffix for name in names(framework, case)]


def need_one_layer(framework: str, case: Case) -> None:
    """Raise NoScript for layers on top of each other that are not one layer in the framework."""
    if case.layers > 1 and not (framework == "torch" and case.merge_mode in CONCATENATED):
        raise NoScript(f"several layers are not one in {framework}, and a script runs one")
