"""Whole TFLite models, run by an interpreter end to end: what is inside is not seen."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN
from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import Emitted, Inner, Run
from rnn_lockstep.reference.oracle.validation import Array

MARK = b"TFL3"  # after the place of its contents
# Where an interpreter is, the smallest package first.
INTERPRETERS = (
    "ai_edge_litert.interpreter",
    "tflite_runtime.interpreter",
    "tensorflow.lite.python.interpreter",
)


def is_tflite(path: Path) -> bool:
    """Tell whether a file is of TFLite, by its first bytes."""
    return reading.beginning(path)[4:8] == MARK


class TfliteModel:
    """A TFLite file as a whole model.

    Raises ModuleNotFoundError where no interpreter is installed, and what that raises for a damaged file.
    """

    layers: Mapping[str, RecurrentLayer] = {}
    unread: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.interpreter = interpreter()(model_path=str(path))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The input specification."""
        return tuple(map(input_of, self.interpreter.get_input_details()))

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example, the state that it keeps forgotten before.

        Raises InvalidModel where there are not as many arrays as inputs, and what the interpreter raises.
        """
        details = self.interpreter.get_input_details()
        if len(details) != len(example.arrays):
            told = f"it takes {len(details)} inputs, and is given {len(example.arrays)}"
            raise InvalidModel(told)
        pairs = list(zip(details, map(np.asarray, example.arrays), strict=True))
        for detail, array in pairs:
            if tuple(detail["shape"]) != array.shape:
                self.interpreter.resize_tensor_input(detail["index"], array.shape, strict=True)
        self.interpreter.allocate_tensors()
        self.interpreter.reset_all_variables()
        for detail, array in pairs:
            self.interpreter.set_tensor(detail["index"], fitting(array, np.dtype(detail["dtype"])))
        self.interpreter.invoke()
        found = self.interpreter.get_output_details()
        return Run(tuple(np.array(self.interpreter.get_tensor(detail["index"])) for detail in found))

    def again(self, example: Example) -> Run:
        """The outputs for an example: it keeps nothing of what was asked before."""
        return self.run(example)

    def in_float(self, bits: int) -> "TfliteModel":
        """Raise InvalidModel: TFLite computes in float32."""
        raise InvalidModel("TFLite computes in float32")

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """None: what is inside is not seen."""
        return ()

    def behind(self, example: Example, call: int | None, tensor: int) -> None:
        """None: no layers are seen."""

    def parameters(self) -> Mapping[str, Array]:
        """None: what is inside is not seen."""
        return {}

    def alone(self, layer: str) -> Any:
        """Raise InvalidModel: the layers of a TFLite file are not seen."""
        raise InvalidModel(f"a TFLite file has no layer {layer} that can be asked")

    def facts(self) -> Facts:
        """What is known of any arithmetic."""
        return UNKNOWN


def interpreter() -> Any:
    """The class of an interpreter that is installed. Raises ModuleNotFoundError where none is."""
    for name in INTERPRETERS:
        if find_spec(name.partition(".")[0]) is not None:
            with foreign_code():
                return import_module(name).Interpreter
    raise ModuleNotFoundError("no interpreter of TFLite is installed", name="ai-edge-litert")


def input_of(detail: Any) -> Input:
    """An input by the interpreter's details of it, where no file tells the range of integers."""
    return Input(
        detail["name"], tuple(sizes(detail["shape_signature"])), dtype=str(np.dtype(detail["dtype"]))
    )


def sizes(signature: Any) -> Iterator[str | int]:
    """The sizes of an input, of which a free one is the batch where it is first, and else the time."""
    for axis, size in enumerate(signature):
        yield int(size) if size >= 0 else "time" if axis else "batch"


def fitting(array: Array, dtype: np.dtype[Any]) -> Array:
    """An array in the dtype of an input, where both are of floats or both of integers."""
    return array.astype(dtype) if (array.dtype.kind == "f") == (dtype.kind == "f") else array
