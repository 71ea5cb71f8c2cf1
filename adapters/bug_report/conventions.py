"""The conventions of a framework: what it calls a layer and its weights, and how it stores them."""

from itertools import chain
from typing import NamedTuple

from rnn_lockstep.adapters.frameworks.keras_adapter import variables_of
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.validation import Array


class NoScript(Exception):
    """The reason, in one line, why no script shows the discrepancy."""


class Framework(NamedTuple):
    """The lines that import a framework, and its names: of a layer, a simple RNN and a cell's weights.

    tags: of the configurations that a script can run; "" is the one without.
    """

    imports: str
    layer: str
    simple_rnn: str
    weights: tuple[str, ...]
    tags: tuple[str, ...]


KERAS = 'import os\nos.environ["KERAS_BACKEND"] = "tensorflow"\nimport keras\nimport tensorflow as tf'
JAX = "import jax\nimport jax.numpy as jnp"
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
FRAMEWORKS = {
    "torch": Framework("import torch", "torch.nn.{}", "RNN", WEIGHTS, ("",)),
    "keras": Framework(
        KERAS, "keras.layers.{}", "SimpleRNN", ("kernel", "recurrent_kernel", "bias"), ("", "eager")
    ),
    "jax": Framework(JAX, "{} in jax.lax.scan", "RNN", ("W", "U", "b", "recurrent_b"), ("", "nojit")),
}


def stored(framework: str, case: Case, weights: Weights) -> dict[str, Array]:
    """Convert a cell's weights to the framework's arrays, by its names."""
    names = FRAMEWORKS[framework].weights
    if framework == "keras":
        return dict(zip(names, variables_of(case, weights), strict=False))
    arrays = pack(weights, case.cell, "torch") if framework == "torch" else weights
    return {name: w for name, w in zip(names, arrays, strict=False) if w is not None}


def arrays_of(framework: str, case: Case) -> dict[str, Array]:
    """List a case's arrays by their names in a script: inputs, h0, c0 and weights[k].

    States are (cells, batch, H), of a single cell too; the weights of all cells are in one row.
    """
    states = [case.by_cell(state) for state in case.start]
    cells = [stored(framework, case, run.weights).values() for layer in case.passes for run in layer]
    arrays = {"inputs": case.inputs, **dict(zip(("h0", "c0"), states, strict=False))}
    return arrays | {f"weights[{k}]": w for k, w in enumerate(chain(*cells))}


def runs_whole(framework: str, case: Case) -> bool:
    """Tell if the case is one layer of the framework: of those on top of each other, only torch's are."""
    return case.layers == 1 or (framework == "torch" and case.merge_mode in (None, "concat"))
