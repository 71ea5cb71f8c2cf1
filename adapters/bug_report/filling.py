"""The words that fill the templates: a case's arrays, names and sums as a framework has them."""

from typing import Any

import numpy as np

from rnn_lockstep.adapters.bug_report.conventions import ENGINES, FRAMEWORKS, arrays_of, stored
from rnn_lockstep.adapters.bug_report.source import UNPACK, literal, numpy_dtype, packed, with_strides
from rnn_lockstep.adapters.frameworks.onnx_nodes import OF_CELL, attributes_for, own_attributes
from rnn_lockstep.adapters.frameworks.weight_layouts import LAYOUTS
from rnn_lockstep.reference import Case, Cotangents
from rnn_lockstep.reference.oracle.cells import CELLS, GATES
from rnn_lockstep.reference.oracle.gradients import given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

GIVEN = ("inputs", "h0", "c0")  # what a framework is handed as it lies in memory
# The functions that NumPy does not have, of real and of complex numbers.
FUNCTIONS = {
    "linear": "z",
    "relu": "np.where(z.real > 0, z, 0)",
    "elu": "np.where(z.real > 0, z, np.expm1(z))",
    "softsign": "z / (1 + np.where(z.real > 0, z, -z))",
    "sigmoid": "np.where(z.real > 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))",
    "hard_sigmoid": "np.where(abs(z.real) < 3, z / 6 + 0.5, z.real > 0)",
    "hard_sigmoid_keras2": "np.where(abs(z.real) < 2.5, z / 5 + 0.5, z.real > 0)",
}
IN_REAL = FUNCTIONS | {"sigmoid": "1 / (1 + np.exp(-z))"}  # which is 0 where exp overflows
# The outputs of a layer from those of its directions.
MERGED = {None: "{}", "sum": "{} + {}", "mul": "{} * {}", "ave": "({} + {}) / 2"}
MERGED["concat"] = "{np}.concatenate([{}, {}], axis=-1)"


def filling(framework: str, case: Case, cotangents: Cotangents | None, longest: int) -> dict[str, Any]:
    """Collect what the templates name.

    longest: how many characters the source of an array may have before it is compressed.
    """

    def source(name: str, array: Array) -> str:
        text = literal(array)
        text = text if len(text) <= longest else packed(array)
        return with_strides(text, array) if framework == "torch" and name in GIVEN else text

    def merged(module: str, *outputs: str) -> str:
        return MERGED[case.merge_mode].format(*outputs[-case.directions :], np=module)

    own, names = FRAMEWORKS[framework], list(stored(framework, case, case.weights))
    arrays, pulled = arrays_of(framework, case), dict[str, Array]()
    if cotangents is not None:
        outputs, *states = given_or_zeros(case, cotangents)
        in_cells = [outputs, *(case.by_cell(state) for state in states)]
        pulled = dict(zip(("g_outputs", "g_h", "g_c"), in_cells, strict=False))
    sources = {name: source(name, array) for name, array in (arrays | pulled).items()}
    gated = len(case.record.gates) > 1
    functions = [case.activation, *([case.recurrent_activation] if gated else [])]
    bodies = FUNCTIONS if pulled else {name: body.replace("z.real", "z") for name, body in IN_REAL.items()}
    return {
        **{"framework": framework, "case": case, "names": names, "merged": merged},
        "layer": own.layer.format(case.cell.removeprefix("peephole_").upper() if gated else own.simple_rnn),
        "unpack": UNPACK.format(numpy_dtype(case.dtype)) if "unpack(" in "".join(sources.values()) else "",
        "has_nan": bool(np.isnan(case.inputs.astype(np.float64)).any()),
        "arrays": sources,
        "weights": [text for name, text in sources.items() if name.startswith("weights")],
        "cells": case.layers * case.directions,
        "cotangents": list(pulled),
        "state": ["h", "c"][: len(case.start)],  # of a cell, in the formulas
        "start": ["h0", "c0"][: len(case.start)],
        "finals": ", ".join(f"{name}_n" for name in ["h", "c"][: len(case.start)]),
        "given": 1 if case.initial_state is None else 1 + len(case.start),  # of inputs, h0 and c0
        "activation": case.activation,
        "gate": case.recurrent_activation,
        "bodies": {name: bodies[name] for name in functions if name != "tanh"},
        **(node(case, names) if framework in ENGINES else {}),
        **sums(framework, case, names),
    }


def node(case: Case, names: list[str]) -> dict[str, Any]:
    """The attributes of a case's node of ONNX, with the source of each, and the names of its inputs.

    The name is empty of an input that is not given, in front of others that are.
    """
    of_states = ["initial_h", "initial_c"][: len(case.start)]
    given = ["X", *names, *(["sequence_lens"] if case.padded else [])]
    given += [] if case.initial_state is None else of_states
    order = ["X", "W", "R", "B", "sequence_lens", *of_states, "P"]
    last = max(map(order.index, given))
    attributes = attributes_for(case, OF_CELL[case.cell]) | own_attributes(case)
    return {
        "node_inputs": [name if name in given else "" for name in order[: last + 1]],
        "attributes": {name: repr(value).replace("'", '"') for name, value in attributes.items()},
    }


def sums(framework: str, case: Case, names: list[str]) -> dict[str, Any]:
    """Write W and U, by which x and h are multiplied, with the biases added, and the order of the gates.

    A GRU that resets before its product has all its biases in the sum of x.
    """
    layout = LAYOUTS[FRAMEWORKS[framework].layout]  # the reference's is torch's
    W, U, *biases = (name for name in names if name != "P")
    if framework in ENGINES and biases:
        biases = [f"B[:{len(case.W)}]", f"B[{len(case.W)}:]"]
    if framework == "keras" and case.cell == "gru" and case.reset_after and biases:
        biases = ["bias[0]", "bias[1]"]
    of_h = (
        {"bias_hh", "bias[1]", "recurrent_b", f"B[{len(case.W)}:]"}
        if case.cell != "gru" or case.reset_after
        else set()
    )
    transposed = "" if layout.columns else ".T"
    return {
        "peepholes": layout.peepholes or CELLS["peephole_lstm"].peepholes,
        "gates": layout.gates.get(case.cell, "".join(GATES[case.cell])),
        "W": " + ".join([W + transposed, *(bias for bias in biases if bias not in of_h)]),
        "U": " + ".join([U + transposed, *(bias for bias in biases if bias in of_h)]),
    }
