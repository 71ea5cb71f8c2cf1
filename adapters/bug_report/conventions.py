"""The conventions of a framework: what it calls a layer and its weights, and how it stores them."""

from typing import Any, NamedTuple

from rnn_lockstep.adapters.backends.keras_adapter import variables_of
from rnn_lockstep.adapters.backends.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights

CONCATENATED = (None, "concat")  # merge modes that show the outputs of each direction


class NoScript(Exception):
    """The reason, in one line, why no script shows the discrepancy."""


class Framework(NamedTuple):
    """A framework's name of a layer, to be followed by the cell's, of a simple RNN, and of a cell's weights."""

    layer: str
    simple_rnn: str
    weights: tuple[str, ...]


FRAMEWORKS = {
    "torch": Framework("torch.nn.", "RNN", ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    "keras": Framework("keras.layers.", "SimpleRNN", ("kernel", "recurrent_kernel", "bias")),
    "jax": Framework("jax.lax.scan of ", "RNN", ("W", "U", "b", "recurrent_b")),
}


def stored(framework: str, case: Case, weights: Weights) -> dict[str, Any]:
    """Convert a cell's weights to the framework's arrays, by its names."""
    names = FRAMEWORKS[framework].weights
    if framework == "keras":
        return dict(zip(names, variables_of(case, weights), strict=False))
    arrays = pack(weights, case.cell, "torch") if framework == "torch" else weights
    return {name: w for name, w in zip(names, arrays, strict=False) if w is not None}


def need_one_layer(framework: str, case: Case) -> None:
    """Raise NoScript for layers on top of each other that are not one layer in the framework."""
    if case.layers > 1 and not (framework == "torch" and case.merge_mode in CONCATENATED):
        raise NoScript(f"several layers are not one in {framework}, and a script runs one")
