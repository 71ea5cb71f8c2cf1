"""The values that the templates are filled with: a case's arrays, names and formulas as a framework has them."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.weight_layouts import LAYOUTS
from rnn_lockstep.adapters.bug_report.conventions import layer_name, names, stored
from rnn_lockstep.adapters.bug_report.source import UNPACK, literal, packed, with_strides
from rnn_lockstep.adapters.bug_report.source import stored as stored_dtype
from rnn_lockstep.adapters.bug_report.target import Target
from rnn_lockstep.reference import Case, Cotangents
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.gradients import filled
from rnn_lockstep.reference.oracle.validation import Array

# The functions that NumPy does not have, of real numbers; of complex ones, `real` is their real part.
FUNCTIONS = {
    "relu": "np.where({real} > 0, z, 0)",
    "sigmoid": "1 / (1 + np.exp(-z))",
    "hard_sigmoid": "np.where(abs({real}) < 3, z / 6 + 0.5, {real} > 0)",
    "hard_sigmoid_keras2": "np.where(abs({real}) < 2.5, z / 5 + 0.5, {real} > 0)",
}
# The outputs of a layer from those of its directions.
MERGED = {
    None: "{}",
    "concat": "{np}.concatenate([{}, {}], axis=-1)",
    "sum": "{} + {}",
    "mul": "{} * {}",
    "ave": "({} + {}) / 2",
}


def filling(
    framework: str, case: Case, target: Target | None, cotangents: Cotangents | None, longest: int
) -> dict[str, Any]:
    """Collect what the templates name, for a case in a framework's conventions.

    longest: how many characters the source of an array may have before it is compressed.
    """

    def source(array: Array, strides: bool = False) -> str:
        text = literal(array)
        text = text if len(text) <= longest else packed(array)
        return with_strides(text, array) if strides and framework == "torch" else text

    def merged(module: str, *outputs: str) -> str:
        return MERGED[case.merge_mode].format(*outputs, np=module)

    cells = [direction.weights for layer in case.passes for direction in layer]
    start = [state.reshape(case.cells_shape) for state in case.start]
    arrays = {"inputs": source(case.inputs, strides=True)}
    arrays |= {name: source(state, strides=True) for name, state in zip(("h0", "c0"), start, strict=False)}
    given: dict[str, str] = {}
    if cotangents is not None:
        outputs, *states = filled(case, cotangents)
        every = [outputs, *(state.reshape(case.cells_shape) for state in states)]
        given = dict(zip(("g_outputs", "g_h", "g_c"), map(source, every), strict=False))
    weights = [[source(w) for w in stored(framework, case, weights)] for weights in cells]
    everything = [*arrays.values(), *given.values(), *(text for cell in weights for text in cell)]
    function = case.activation if case.cell == "simple_rnn" else case.recurrent_activation
    real = "z" if cotangents is None else "z.real"
    return {
        "case": case,
        "t": target,
        "layer": layer_name(framework, case.cell),
        "cells": len(cells),
        "names": names(framework, case),
        "state": ["h", "c"][: len(start)],
        "directions": ("forward", "backward") if case.directions == 2 else ("outputs",),
        "default_start": case.initial_state is None,
        "has_nan": bool(np.isnan(case.inputs.astype(np.float64)).any()),
        "arrays": arrays,
        "cotangents": given,
        "weights": weights,
        "unpack": UNPACK.format(stored_dtype(case.dtype)) if "unpack(" in "".join(everything) else "",
        "function": function.removesuffix("_keras2"),
        "function_body": FUNCTIONS.get(function, "").format(real=real),
        "merged": merged,
        **formula(framework, case),
    }


def formula(framework: str, case: Case) -> dict[str, Any]:
    """Say the sums of a cell in the framework's names: what x and h are multiplied by, and what is added.

    A GRU that resets before its product has all its biases in the sum of x.
    """
    layout = LAYOUTS["torch" if framework == "jax" else framework]  # the reference's is torch's
    W, U, *biases = names(framework, case)
    after = case.cell == "gru" and case.reset_after
    if framework == "keras" and after and biases:
        biases = ["bias[0]", "bias[1]"]
    of_h = [b for b in biases if b in ("bias_hh", "bias[1]", "recurrent_b") and (after or case.cell != "gru")]
    of_x = [b for b in biases if b not in of_h]
    transposed = "" if layout.columns else ".T"
    return {
        "gates": layout.gates.get(case.cell, "".join(GATES[case.cell])),
        "W": " + ".join([W + transposed, *of_x]),
        "U": " + ".join([U + transposed, *of_h]),
    }
