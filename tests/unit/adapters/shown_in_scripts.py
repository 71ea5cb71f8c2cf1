"""Scripts that bug reports are tried with, as a table: of which backend, case and array of the answer."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference import Case, Cotangents
from rnn_lockstep.tests.harness.drawing.make_case import make_case


class Shown(NamedTuple):
    """A script to be made: of a case that these options make, and of one array of the answer to it."""

    backend: str
    cell: str
    array: str
    options: dict[str, Any]
    dtype: str = "float32"
    shape: tuple[int, int, int, int] = (3, 3, 3, 2)


def shown(backend: str, cell: str, array: str, **options: Any) -> Shown:
    """Gather the options that make a case."""
    own = {name: options.pop(name) for name in ("dtype", "shape") if name in options}
    return Shown(backend, cell, array, options, **own)


TORCH = [
    shown("torch", "simple_rnn", "", activation="relu", biases=0),
    shown("torch", "simple_rnn", "", biases=2, padding="ragged", dtype="float64"),
    shown("torch", "simple_rnn", "final_state", reverse=True, given_state=False),
    shown("torch", "simple_rnn", "", shape=(3, 6, 8, 17)),
    shown("torch", "gru", "", biases=2, reverse=True, padding="ragged"),
    shown("torch", "gru", "", biases=2, dtype="float16"),
    shown("torch", "lstm", "", dtype="bfloat16"),
    shown("torch", "lstm", "final_cell_state", biases=2, padding="ragged"),
    shown("torch", "lstm", "layer 1", layers=2, biases=2),
    shown("torch", "gru", "layer 1 backward", layers=2, merge_mode="concat", dtype="float64"),
    shown("torch", "lstm", "layer 1 outputs", layers=2, merge_mode="ave"),
    shown("torch", "gru", "backward final_state", merge_mode="concat", return_sequences=False),
    shown("torch", "simple_rnn", "gradient of W", activation="relu", biases=0),
    shown("torch", "gru", "gradient of recurrent_b", biases=2, reverse=True),
    shown("torch", "lstm", "gradient of initial_cell_state", padding="ragged", dtype="float64"),
    shown("torch", "lstm", "gradient of inputs", merge_mode="concat", return_sequences=False),
    shown("torch", "simple_rnn", "gradient of more_weights[1].U", layers=3, biases=2),
]
KERAS = [
    shown("keras", "simple_rnn", "", activation="relu", biases=0, reverse=True),
    shown("keras:eager", "simple_rnn", "", dtype="bfloat16"),
    shown("keras", "gru", "", biases=2, padding="scattered"),
    shown("keras", "gru", "outputs", reset_after=False, merge_mode="sum", biases=2),
    shown("keras", "lstm", "layer 1", layers=2, dtype="float64", recurrent_activation="hard_sigmoid_keras2"),
    shown("keras", "lstm", "outputs", merge_mode="mul", return_sequences=False, given_state=False),
    shown("keras", "lstm", "", activation="elu", recurrent_activation="hard_sigmoid"),
    shown("keras", "gru", "gradient of U", activation="linear", recurrent_activation="softsign"),
    shown("keras", "simple_rnn", "", activation="hard_sigmoid_keras2"),
    shown("keras", "gru", "gradient of recurrent_b", biases=2, padding="scattered"),
    shown("keras", "lstm", "gradient of initial_state", merge_mode="concat", reset_after=False),
]
OTHER_KERAS = [
    shown("keras:unroll", "gru", "", biases=2),
    shown("keras:zeros", "lstm", "final_state", padding="scattered"),
    shown("keras:jax", "simple_rnn", "", reverse=True),
    shown("keras:jax-unroll", "gru", "backward", reset_after=False, merge_mode="concat", biases=2),
    shown("keras:torch", "lstm", "final_cell_state", padding="scattered", dtype="float16"),
    shown("keras:jax", "gru", "gradient of recurrent_b", biases=2, padding="scattered"),
    shown("keras:jax-unroll", "lstm", "gradient of initial_state", merge_mode="concat"),
    shown("keras:torch", "gru", "gradient of U", biases=2, reset_after=False, reverse=True),
    shown("keras:torch-unroll", "lstm", "gradient of more_weights[0].b", merge_mode="sum", given_state=False),
    shown("keras:torch", "simple_rnn", "gradient of inputs", return_sequences=False),
    shown("keras:torch-zeros", "gru", "", biases=2, padding="scattered"),
]
JAX = [
    shown("jax", "simple_rnn", "", activation="relu", biases=0, reverse=True, padding="scattered"),
    shown("jax:nojit", "lstm", "", dtype="bfloat16"),
    shown("jax", "gru", "", biases=2, reset_after=False, recurrent_activation="hard_sigmoid"),
    shown("jax", "lstm", "layer 1 backward final_state", layers=2, merge_mode="sum", dtype="float64"),
    shown("jax", "simple_rnn", "outputs", merge_mode="ave"),
    shown("jax", "peephole_lstm", "", padding="ragged"),
    shown("jax", "peephole_lstm", "gradient of peepholes", biases=2),
    shown("jax", "gru", "", activation="elu", recurrent_activation="relu"),
    shown("jax", "lstm", "gradient of U", activation="softsign", recurrent_activation="linear"),
    shown("jax", "gru", "gradient of U", biases=2, padding="scattered", dtype="float64"),
    shown("jax", "lstm", "gradient of more_weights[0].b", merge_mode="concat"),
]
ENGINES = [
    shown("onnx", "simple_rnn", "", biases=0, dtype="float64"),
    shown("onnx", "gru", "", biases=2, reset_after=False, reverse=True),
    shown("onnx", "lstm", "backward final_state", merge_mode="concat", given_state=False),
    shown("onnxruntime", "simple_rnn", "", biases=2, padding="ragged", reverse=True),
    shown("onnxruntime", "gru", "", biases=0, padding="ragged", recurrent_activation="hard_sigmoid"),
    shown("onnxruntime:constants", "lstm", "forward final_cell_state", merge_mode="concat", padding="ragged"),
    shown("onnxruntime", "gru", "", biases=2, reset_after=False, clip=0.5),
    shown("onnxruntime", "lstm", "", biases=2, input_forget=True),
    shown("onnxruntime", "lstm", "", activation="softsign", recurrent_activation="hard_sigmoid_keras2"),
    shown("onnxruntime", "peephole_lstm", "", biases=2, given_state=False),
    shown("onnxruntime", "peephole_lstm", "final_cell_state", clip=0.5, biases=0),
    shown(
        "onnxruntime", "peephole_lstm", "backward", merge_mode="concat", padding="ragged", input_forget=True
    ),
    shown("onnxruntime", "gru", "", activation="relu", recurrent_activation="tanh"),
    shown("openvino", "gru", "", biases=2, padding="ragged"),
    shown("openvino", "simple_rnn", "", biases=2, clip=0.5),
    shown("openvino", "lstm", "", clip=0.25),
    shown("openvino:constants", "lstm", "backward", merge_mode="concat"),
    shown("openvino:static", "lstm", "", dtype="float16", padding="ragged", given_state=False),
    shown("opencv", "gru", "", biases=2),
    shown("opencv", "lstm", "backward", merge_mode="concat"),
    shown("tract", "simple_rnn", "", biases=0),
    shown("tract", "lstm", "forward final_cell_state", merge_mode="concat"),
    shown("mnn", "simple_rnn", "", biases=2),
    shown("mnn", "lstm", "backward", merge_mode="concat"),
    shown("mnn:layers", "gru", "", biases=2, reset_after=False),
    shown("mnn:layers", "lstm", "final_cell_state", biases=0),
]
PADDLE = [
    shown("paddle", "simple_rnn", "", activation="relu", biases=1, reverse=True, given_state=False),
    shown("paddle", "gru", "layer 1 backward", layers=2, merge_mode="concat", biases=2, dtype="float64"),
    shown("paddle", "lstm", "final_cell_state", biases=1),
    shown("paddle", "lstm", "gradient of initial_cell_state", biases=2, padding="ragged", dtype="float64"),
    shown("paddle", "gru", "gradient of recurrent_b", biases=2, reverse=True),
    shown("paddle", "gru", "gradient of more_weights[0].U", biases=2, layers=2, return_sequences=False),
]
EVERYTHING = PADDLE + TORCH + KERAS + OTHER_KERAS + JAX + ENGINES


def case_of(one: Shown) -> Case:
    """The case to show; padding holds NaN, but for gradients numbers."""
    fixed = {"given_state": True, "padding": "none", "reverse": False}
    case = make_case(
        cell=one.cell,
        shape=one.shape,
        dtype=one.dtype,
        variant={**fixed, **one.options},
        regime="critical",
        layout="strided",
        source=3,
        **fixed,
    )
    if "gradient" in one.array:
        return replace(case, inputs=np.where(np.isnan(case.inputs), case.dtype.type(7), case.inputs))
    return case


def cotangents_of(one: Shown, case: Case) -> Cotangents | None:
    """Random cotangents where a gradient is to be shown, else None."""
    if "gradient" not in one.array:
        return None
    rng = np.random.default_rng(4)
    steps = (case.time,) if case.return_sequences else ()
    shapes = [(case.batch, *steps, case.features), *[case.state_shape] * len(case.start)]
    return Cotangents(*(rng.normal(size=shape).astype(case.dtype) for shape in shapes))
