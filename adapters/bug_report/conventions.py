"""The conventions of a framework: what it calls a layer and its weights, and how it stores them."""

from itertools import chain
from typing import NamedTuple

import numpy as np

from rnn_lockstep.adapters.frameworks.keras_adapter import variables_of
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.validation import Array


class NoScript(Exception):
    """The reason, in one line, why no script shows the discrepancy."""


class Framework(NamedTuple):
    """The lines that import a framework, and its names: of a layer, a simple RNN and a cell's weights.

    tags: of the configurations that a script can run; "" is the one without.
    template: the file that runs its layer.  layout: of its weights; the formula has these.
    version: what tells the version of what runs it.
    """

    imports: str
    layer: str
    simple_rnn: str
    weights: tuple[str, ...]
    tags: tuple[str, ...]
    template: str
    layout: str
    version: str = "{}.__version__"


KERAS = 'import os\nos.environ["KERAS_BACKEND"] = "{engine}"\nimport keras\nimport {engine}'
# The configurations of Keras, each an engine and an option of its layers.
OF_ENGINE = [f"{engine}{option}" for engine in ("jax", "torch") for option in ("", "-unroll", "-zeros")]
TAGS_OF_KERAS = ("", "eager", "unroll", "zeros", *OF_ENGINE)
JAX = "import jax\nimport jax.numpy as jnp"
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
OF_KERAS, OF_JAX = ("kernel", "recurrent_kernel", "bias"), ("W", "U", "b", "recurrent_b")


def engine(
    name: str, *modules: str, tags: tuple[str, ...] = (), version: str = "{}.__version__"
) -> Framework:
    """Make the row of an engine that runs nodes of ONNX. modules: which run them."""
    imports = "\n".join(f"import {module}" for module in ("onnx", *modules))
    names = (f"ONNX's {{}} in {name}", "RNN", ("W", "R", "B"))
    return Framework(imports, *names, ("", *tags), "onnx", "onnx", version)


FRAMEWORKS = {
    "torch": Framework("import torch", "torch.nn.{}", "RNN", WEIGHTS, ("",), "torch", "torch"),
    "keras": Framework(KERAS, "keras.layers.{}", "SimpleRNN", OF_KERAS, TAGS_OF_KERAS, "keras", "keras"),
    "jax": Framework(JAX, "{} in jax.lax.scan", "RNN", OF_JAX, ("", "nojit"), "jax", "torch"),
    "paddle": Framework("import paddle", "paddle.nn.{}", "SimpleRNN", WEIGHTS, ("",), "paddle", "torch"),
    "onnx": engine("the reference evaluator", "onnx.reference"),
    "onnxruntime": engine("ONNX Runtime", "onnxruntime", tags=("constants",)),
    "openvino": engine("OpenVINO", "openvino", tags=("constants", "static")),
    "opencv": engine("OpenCV", "cv2 as opencv"),
    "tract": engine("tract", "tract", version="{}.version()"),
    # Its converter is a module of its own.
    "mnn": engine("MNN", "_tools", "MNN as mnn", tags=("layers",), version="{}.version()"),
}
ENGINES = tuple(name for name, framework in FRAMEWORKS.items() if framework.template == "onnx")


def engine_of_keras(tag: str) -> str:
    """The backend of Keras in a configuration."""
    return next((engine for engine in ("jax", "torch") if tag.startswith(engine)), "tensorflow")


def stored(framework: str, case: Case, weights: Weights) -> dict[str, Array]:
    """Convert a cell's weights to the framework's arrays, by its names."""
    names = FRAMEWORKS[framework].weights
    if framework == "keras":
        return dict(zip(names, variables_of(case, weights), strict=False))
    arrays: Weights = (
        weights if framework == "jax" else pack(weights, case.cell, FRAMEWORKS[framework].layout)
    )
    if framework in ENGINES and arrays.b is not None and arrays.recurrent_b is not None:
        arrays = arrays._replace(b=np.concatenate([arrays.b, arrays.recurrent_b]))
    found = {name: w for name, w in zip(names, arrays, strict=False) if w is not None}
    return found if arrays.peepholes is None else found | {"P": arrays.peepholes}


def arrays_of(framework: str, case: Case) -> dict[str, Array]:
    """List a case's arrays by their names in a script: inputs, h0, c0 and weights[k].

    States are (cells, batch, H), of a single cell too; the weights of all cells are in one row.
    """
    states = [case.by_cell(state) for state in case.start]
    cells = [stored(framework, case, run.weights).values() for layer in case.passes for run in layer]
    arrays = {"inputs": case.inputs, **dict(zip(("h0", "c0"), states, strict=False))}
    return arrays | {f"weights[{k}]": w for k, w in enumerate(chain(*cells))}


def runs_whole(framework: str, case: Case) -> bool:
    """Tell if the case is one layer of the framework, as those on top of each other are for some."""
    return case.layers == 1 or (framework in ("torch", "paddle") and case.merge_mode in (None, "concat"))
