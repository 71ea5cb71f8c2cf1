"""An ONNX graph of recurrent layers, to be run by any of its runtimes.

For each layer NAME, in the layers' dtype:
    NAME.inputs             (batch, time, input_size)
    NAME.outputs            (batch, time, features), or (batch, features) where it returns the last only
    NAME.final_state        (layers·directions, batch, hidden_size); NAME.final_cell_state of an LSTM
The states before the first step are zeros.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.onnx_nodes import OF_CELL, OPERATORS, attributes_for
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.adapters.models.files.onnx_options import MERGES
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.reference.oracle.validation import Array

PRODUCER = "rnn-lockstep"
# Of the operators and of the file format; only newer ones have bfloat16.
USUAL_VERSIONS = (18, 8)
VERSIONS = {"bfloat16": (22, 10)}


def model_of(layers: Sequence[RecurrentLayer]) -> bytes:
    """The bytes of a model of these layers. Raises InvalidModel."""
    import onnx
    from google.protobuf.message import EncodeError  # type: ignore[import-untyped]

    reading.need_one_each(layers)
    reading.need_no_projection(layers, "ONNX")
    parts = [Part(layer) for layer in layers]
    lists = ("nodes", "inputs", "outputs", "constants")
    nodes, inputs, outputs, constants = ([x for part in parts for x in getattr(part, name)] for name in lists)
    opset, version = max(VERSIONS.get(layer.dtype.name, USUAL_VERSIONS) for layer in layers)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "layers", inputs, outputs, constants),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        producer_name=PRODUCER,
    )
    model.ir_version = version
    try:
        data: bytes = model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise InvalidModel(f"the layers are too large for one ONNX file: {error}") from None
    return data


class Part:
    """One layer's nodes, inputs, outputs and constants."""

    def __init__(self, layer: RecurrentLayer) -> None:
        import onnx

        self.layer, self.helper = layer, onnx.helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.count = 0
        kind = onnx.helper.np_dtype_to_tensor_dtype(layer.dtype)
        features = layer.hidden_size * (2 if layer.merge_mode == "concat" else 1)
        shapes: dict[str, list[Any]] = {"inputs": ["batch", "time", layer.input_size]}
        shapes["outputs"] = ["batch", "time", features] if layer.return_sequences else ["batch", features]
        kinds = len(OPERATORS[OF_CELL[layer.cell]].outputs) - 1  # of states
        for state in ("final_state", "final_cell_state")[:kinds]:
            shapes[state] = [len(layer.cells), "batch", layer.hidden_size]
        values = [
            onnx.helper.make_tensor_value_info(f"{layer.name}.{name}", kind, shape)
            for name, shape in shapes.items()
        ]
        self.inputs, self.outputs = values[:1], values[1:]
        self._build(list(shapes)[2:])

    def _build(self, states: Sequence[str]) -> None:
        """Add all nodes; `states` are the names of the final states."""
        layer, name = self.layer, self.layer.name
        value = self._node("Transpose", f"{name}.inputs", perm=[1, 0, 2])
        finals: list[list[str]] = []
        for k in range(layer.layers):
            outputs, *final = self._recurrent(value, k)
            finals.append(final)
            if outputs:
                if layer.outputs_reversed:
                    cut = [self._numbers(n) for n in ([-1], [np.iinfo(np.int64).min], [0], [-1])]
                    outputs = self._node("Slice", outputs, *cut)
                value = self._merged(outputs, 1)
        if layer.return_sequences:
            self._node("Transpose", value, perm=[1, 0, 2], into=f"{name}.outputs")
        else:
            self._merged(finals[-1][0], 0, into=f"{name}.outputs")
        for state, parts in zip(states, zip(*finals, strict=True), strict=True):
            self._node("Concat", *parts, axis=0, into=f"{name}.{state}")

    def _recurrent(self, value: str, k: int) -> list[str]:
        """Add the node of layer k; return the names of its outputs, empty where nothing needs them."""
        layer, op_type = self.layer, OF_CELL[self.layer.cell]
        cells = layer.cells[k * layer.directions : (k + 1) * layer.directions]
        packed = [pack(weights, layer.cell, "onnx") for weights in cells]
        inputs = [value]
        arrays = [np.stack([w.W for w in packed]), np.stack([w.U for w in packed])]
        if packed[0].b is not None:
            arrays.append(np.stack([np.concatenate([w.b, w.recurrent_b]) for w in packed]))
        for letter, array in zip("WRB", arrays, strict=False):
            inputs.append(self._constant(f"{layer.name}.{letter}_l{k}", array))
        node_name = f"{layer.name}/{op_type}" + (f"_{k}" if k else "")
        outputs = [f"{node_name}.{letter}" for letter in OPERATORS[op_type].outputs]
        if k == layer.layers - 1 and not layer.return_sequences:
            outputs[0] = ""
        node = self.helper.make_node(
            op_type, inputs, outputs, name=node_name, **attributes_for(layer, op_type)
        )
        self.nodes.append(node)
        return outputs

    def _merged(self, value: str, axis: int, into: str = "") -> str:
        """The directions merged, which are that axis of (..., directions, batch, hidden_size)."""
        mode = self.layer.merge_mode
        if mode in MERGES:
            return self._node(MERGES[mode], value, self._numbers([axis]), keepdims=0, into=into)
        if mode is None:
            return self._node("Squeeze", value, self._numbers([axis]), into=into)
        turned = self._node("Transpose", value, perm=[*range(axis), axis + 1, axis, axis + 2])
        return self._node("Reshape", turned, self._numbers([*[0] * (axis + 1), -1]), into=into)

    def _node(self, op_type: str, *inputs: str, into: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output, which is `into` where that is given."""
        self.count += 1
        output = into or f"{self.layer.name}/{op_type}.{self.count}"
        self.nodes.append(self.helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def _numbers(self, numbers: Sequence[int]) -> str:
        """Add whole numbers as a constant; return its name."""
        name = f"{self.layer.name}.numbers_{len(self.constants)}"
        return self._constant(name, np.array(numbers, np.int64))

    def _constant(self, name: str, array: Array) -> str:
        """Add a constant; return its name."""
        import onnx

        kind = self.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
        tensor.raw_data = np.ascontiguousarray(array).tobytes()
        self.constants.append(tensor)
        return name
