"""TFLite models: their fused LSTMs are read by TensorFlow's schema, in a process of its own, and none is run.

A converter that writes a loop instead leaves none: such a model is compared as a whole.
Source: `tensorflow/lite/kernels/unidirectional_sequence_lstm.cc`, for the places of an operator's inputs.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files import apart, reading
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.validation import Array

LIBRARY = apart.Library(
    "TensorFlow",
    Path(__file__).with_name("tflite_reader.py"),
    {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
)
SECONDS, SECONDS_A_BYTE = 120.0, 1e-6
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# The places of its inputs, by gate in the reference's order i, f, g, o.
W, U, B = range(1, 5), range(5, 9), range(12, 16)
PROJECTION = 16
ODD = {
    "peepholes": range(9, 12),
    "a projection's bias": range(17, 18),
    "layer normalization": range(20, 24),
}
ACTIVATIONS = {"TANH": "tanh", "RELU": "relu", "NONE": "linear"}


def read(path: Path) -> list[Found]:
    """The recurrent operators of a model, as layers. Raises InvalidModel."""
    with reading.refusing(path):
        data = reading.contents(path)
        if find_spec("tensorflow") is None:
            raise InvalidModel("tensorflow, which reads it, is not installed: pip install tensorflow")
        seconds = SECONDS + SECONDS_A_BYTE * len(data)
        arrays, told = apart.read(LIBRARY, data=data, seconds=seconds)
        try:
            operators, others = told["layers"], told["others"]
            names = reading.unique([each["name"] for each in operators])
            found = [
                read_or_reason(name, _layer, name, each, inputs_of(arrays, k))
                for k, (name, each) in enumerate(zip(names, operators, strict=True))
            ]
        except (KeyError, TypeError):
            raise ValueError("it is no TFLite model, or damaged") from None
        if not found:
            raise ValueError(
                f"it has no recurrent operator but {reading.some(sorted(others)) or 'none at all'}"
            )
        return found


def inputs_of(arrays: Mapping[str, Array], k: int) -> dict[int, Array]:
    """The constants of floats that operator k is given, by their places."""
    own = ((name.partition("/"), array) for name, array in arrays.items())
    return {int(place): array for (number, _, place), array in own if number == str(k)}


def _layer(name: str, told: Mapping[str, Any], inputs: Mapping[int, Array]) -> RecurrentLayer:
    """The layer of an operator. Raises ValueError for what is no LSTM of floats, or has more than one."""
    if told["kind"] != LSTM:
        raise ValueError(f"it is a {told['kind']}; of TFLite's operators {LSTM} is read")
    given = told["given"]
    for what, places in ODD.items():
        if any(place < len(given) and given[place] for place in places):
            raise ValueError(f"it has {what}, which is not checked")
    if any(told["clips"]):
        raise ValueError(f"it clips its cell state or projection at {told['clips']}")
    if told["activation"] not in ACTIVATIONS:
        raise ValueError(f"it has the activation {told['activation']}")
    projection = inputs.get(PROJECTION)
    joined = [_joined(places, told, inputs) for places in (W, U, B)]
    weights = Weights(joined[0], joined[1], joined[2], None, projection)
    return reading.layer(
        name,
        [weights],
        cell="lstm",
        activation=ACTIVATIONS[told["activation"]],
        assumed=("reverse", "outputs_reversed", "return_sequences"),
    )


def _joined(places: Sequence[int], told: Mapping[str, Any], inputs: Mapping[int, Array]) -> Array:
    """The arrays of all gates on top of each other. Raises ValueError for one that is none of floats."""
    for place in places:
        if place not in inputs:
            kind = told["constants"].get(str(place))
            raise ValueError(f"its input {place} is {f'of {kind}' if kind else 'no constant'}, needs floats")
    return np.concatenate([inputs[place] for place in places])


FORMAT = Format((".tflite",), read, begins=re.compile(rb".{4}TFL3", re.S))
