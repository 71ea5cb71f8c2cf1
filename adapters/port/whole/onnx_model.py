"""Whole ONNX models, run by ONNX Runtime in parts: up to each recurrent node, and after the last.

What a recurrent node gets and gives is seen between the parts, and replaced there.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.frameworks.runtimes import ONNX_RUNTIME
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.whole import onnx_graph, onnx_inputs
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import Call, Emitted, Inner, Run
from rnn_lockstep.adapters.port.whole.onnx_node import nodes_of
from rnn_lockstep.reference.oracle.validation import Array

FLOAT = 1  # ONNX's number of float32, which ONNX Runtime's recurrent nodes compute in
Values = dict[str, Array]
Part = Callable[[Values], Values]


# What ONNX Runtime tells before what is wrong: the place in its own code, and what failed there.
PREAMBLE = re.compile(r".*running (\w+) node\. Name:'(.*?)' Status Message: (?:.* was false\. )?", re.S)


class OnnxModel:
    """An ONNX file as a whole model.

    wide: whether it computes in float64, where the oracle takes the place of recurrent nodes.
    Raises ImportError where ONNX Runtime is not installed, and what onnx raises for a damaged file.
    """

    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path, wide: bool = False) -> None:
        self.path, self.wide = path, wide
        self.runtime: Any = import_module("onnxruntime")
        self.model = onnx_graph.loaded(path)
        self.graph = self.model.graph
        self.nodes = nodes_of(self.graph, path)
        self.layers: Mapping[str, RecurrentLayer] = {n.name: n.layer for n in self.nodes if n.layer}
        self.unread = {n.name: n.reason for n in self.nodes if not n.layer}
        self.given = {value.name: value for value in onnx_inputs.given(self.graph)}
        self.padded = onnx_inputs.padded_by(self.graph, [node.lengths for node in self.nodes])
        self.parts: dict[tuple[int, bool], Part] = {}

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The input specification. Raises InvalidModel where the graph does not tell enough."""
        return onnx_inputs.inputs_of(self.graph, self.padded)

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example: of the file as it is, unless recurrent nodes emit something else."""
        given = self.values_of(example)
        values = dict(given)
        calls = self.called(values, emitted or {})
        if self.wide or emitted:
            values |= self.part(len(self.nodes))(values)
            outputs = [values[output.name] for output in self.graph.output]
        else:
            outputs = told_shortly(self.session.run, given)
        return Run(tuple(map(np.asarray, outputs)), calls)

    def called(self, values: Values, emitted: Emitted) -> tuple[Call, ...]:
        """The calls of the recurrent nodes; what they take and give is added to the values."""
        calls = []
        for k, node in enumerate(self.nodes):
            values |= self.part(k)(values)
            if self.wide:
                values |= node.answered(node.given(values))
            calls.append(node.call(values))
            if (instead := emitted.get(k)) is not None:
                values |= node.emitting(values, instead)
        return tuple(calls)

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """The answers of the nodes that are not recurrent, by the node's name or its operator."""
        return list(self.inner_values(example, emitted).values())

    def behind(self, example: Example, call: int | None, tensor: int) -> Collection[int] | None:
        """The numbers of the nodes' answers that a tensor is made of, as the graph tells."""
        output = self.graph.output[tensor].name if call is None else ""
        name = output or (self.nodes[call or 0].sequence, *self.nodes[call or 0].states)[tensor]
        needed = onnx_graph.behind(self.graph, [name])
        return [n for n, value in enumerate(self.inner_values(example, None)) if value in needed]

    def inner_values(self, example: Example, emitted: Emitted | None) -> dict[str, Inner]:
        """The same, by the names of the values."""
        values = dict(self.values_of(example))
        self.called(values, emitted or {})
        names = {value: node.name or node.op_type for node in self.graph.node for value in node.output}
        recurrent = {name for node in self.nodes for name in node.outputs}
        found: dict[str, Inner] = {}
        for k in range(len(self.nodes) + 1):
            for value, array in self.part(k, every=True)(values).items():
                if array.dtype.kind == "f" and value not in recurrent:
                    found.setdefault(value, Inner(names[value], array, k))
        return found

    def parameters(self) -> Mapping[str, Array]:
        """The constants of floats that no recurrent node takes, those that are (in, out) named kernels."""
        return onnx_graph.parameters(self.graph)

    @cached_property
    def session(self) -> Any:
        """The file as it is, in ONNX Runtime."""
        return self.session_of(str(self.path))

    def session_of(self, model: str | bytes) -> Any:
        """A session of ONNX Runtime on the CPU. Raises what that raises."""
        options = self.runtime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, and need not be printed
        return self.runtime.InferenceSession(model, options, ["CPUExecutionProvider"])

    def part(self, k: int, every: bool = False) -> Part:
        """The function that makes of what is known by then what node k takes and, but in float64, gives.

        After the last node: the outputs of the graph.  every: all that is made on the way, in place of these.
        """
        if (k, every) not in self.parts:
            kinds = {name: value.type.tensor_type.elem_type for name, value in self.given.items()}
            kinds |= {name: FLOAT for node in self.nodes[:k] for name in node.outputs}
            wanted = [output.name for output in self.graph.output]
            if k < len(self.nodes):
                node = self.nodes[k]
                wanted = [*node.inputs, *(() if self.wide else node.outputs)]
            if every:
                wanted = onnx_graph.made_for(self.graph, wanted, kinds)
            model = onnx_graph.part(self.model, kinds, [*dict.fromkeys(wanted)], self.wide)
            self.parts[k, every] = self.made(model)
        return self.parts[k, every]

    def made(self, model: Any) -> Part:
        """A model as a function, run by ONNX Runtime, or by onnx itself where that lacks it in float64."""
        try:
            session = self.session_of(model.SerializeToString())
        except Exception:  # ONNX Runtime's, whatever it is
            if not self.wide:
                raise
            session = import_module("onnx.reference").ReferenceEvaluator(model)
        needed = [value.name for value in model.graph.input]
        names = [value.name.removesuffix(onnx_graph.SHOWN) for value in model.graph.output]

        def run(values: Values) -> Values:
            found = told_shortly(session.run, {name: values[name] for name in needed})
            return dict(zip(names, map(np.asarray, found), strict=True))

        return run

    def values_of(self, example: Example) -> Values:
        """An example's arrays by the names of inputs, with the lengths of rows where they are one of these.

        Raises InvalidModel where there are not as many as the graph takes.
        """
        arrays, names = [*example.arrays], [*self.given]
        lengths = [name for name in self.padded if onnx_inputs.rank(self.given[name]) == 1]
        if arrays and len(arrays) + len(lengths) == len(names):
            rows, steps = (*arrays[0].shape, 1)[:2]
            told = np.full(rows, steps) if example.lengths is None else example.lengths
            arrays += [told] * len(lengths)
            names = [*(name for name in names if name not in lengths), *lengths]
        if len(arrays) != len(names):
            known = printable(", ".join(names))
            raise InvalidModel(f"it takes {len(names)} inputs ({known}), and is given {len(arrays)}")
        return {name: self.fitting(name, array) for name, array in zip(names, arrays, strict=True)}

    def fitting(self, name: str, array: Array) -> Array:
        """An array in the dtype of an input, where both are of floats or both of integers."""
        dtype = onnx_inputs.dtype_of(self.given[name])
        floats = [onnx_inputs.is_float(each) for each in (dtype, array.dtype)]
        if floats[0] != floats[1]:
            return array
        return array.astype(np.float64 if self.wide and floats[0] else dtype)

    def again(self, example: Example) -> Run:
        """The outputs for an example: it keeps nothing of what was asked before."""
        return self.run(example)

    def in_float(self, bits: int) -> "OnnxModel":
        """The same model in float64. Raises InvalidModel for float32, and what onnx raises."""
        if bits != 64:
            raise InvalidModel("an ONNX model cannot be made one of float32")
        return OnnxModel(self.path, wide=True)

    def alone(self, layer: str) -> Any:
        """Raise InvalidModel: a node is asked within its graph only."""
        raise InvalidModel(f"the node {layer} cannot be asked alone")

    def facts(self) -> Facts:
        """The declared errors of ONNX Runtime."""
        return ONNX_RUNTIME


def told_shortly(run: Callable[..., Any], given: Values) -> Any:
    """The outputs that a session gives. Raises what that raises, with a message that begins with the node."""
    try:
        return run(None, given)
    except Exception as error:  # ONNX Runtime's, whatever it is
        told = PREAMBLE.sub(r"\1 \2: ", str(error), count=1)
        raise type(error)(told.replace("[ONNXRuntimeError] : ", "")) from None
