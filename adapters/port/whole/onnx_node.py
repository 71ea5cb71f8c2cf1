"""A recurrent node of an ONNX graph: what it takes and gives in the reference's form, and the way back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.adapters.frameworks.onnx_nodes import OPERATORS
from rnn_lockstep.adapters.models.files.onnx_reader import Graph
from rnn_lockstep.adapters.models.recurrent_layer import (
    Found,
    InvalidModel,
    RecurrentLayer,
    UnreadLayer,
    in_dtype,
)
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.whole.model import Call
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states
from rnn_lockstep.reference.oracle.layer import MERGE_MODES
from rnn_lockstep.reference.oracle.validation import Array

Values = Mapping[str, Array]
# The places of the sequence, of sequence_lens and of the initial states among a node's inputs.
SEQUENCE, LENGTHS, STATES = 0, 4, slice(5, 7)
# What the graph around a node decides: it is compared there.
AROUND = ("return_sequences", "outputs_reversed")
# The outputs of two directions that are merged to given ones.
DIVIDED: dict[str, Callable[[Array], list[Array]]] = {
    "concat": lambda outputs: np.split(outputs, 2, axis=-1),
    "sum": lambda outputs: [outputs, np.zeros_like(outputs)],
    "mul": lambda outputs: [outputs, np.ones_like(outputs)],
    "ave": lambda outputs: [outputs, outputs],
}


@dataclass(frozen=True, eq=False)
class Node:
    """A recurrent node.

    layer: as it was read; None where it cannot be, for that reason.  merge_mode: of two directions.
    sequence, lengths, states: the names of what it takes; empty or none where it is not given.
    outputs: the names of what it gives: all outputs, then the final states.
    """

    name: str
    layer: RecurrentLayer | None
    sequence: str
    lengths: str
    states: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str = ""

    @property
    def inputs(self) -> list[str]:
        """The names of all that it takes beside its weights."""
        return [name for name in (self.sequence, self.lengths, *self.states) if name]

    @property
    def merge_mode(self) -> str:
        """The way in which two directions are merged."""
        return (self.layer.merge_mode if self.layer else None) or "concat"

    def call(self, values: Values) -> Call:
        """What it got and gave, in the reference's form."""
        outputs, *final = (values[name] for name in self.outputs)
        merged = [*outputs.transpose(1, 2, 0, 3)]  # (batch, time, H) of each direction
        return replace(
            self.given(values),
            outputs=MERGE_MODES[self.merge_mode](*merged) if len(merged) == 2 else merged[0],
            final=tuple(final),
        )

    def given(self, values: Values) -> Call:
        """What it got: a call without an answer."""
        sequence = values[self.sequence].swapaxes(0, 1)
        found = [values.get(name) for name in self.states]
        like = next((state for state in found if state is not None), None)
        states = () if like is None else tuple(np.zeros_like(like) if s is None else s for s in found)
        return Call(self.name, sequence, states, lengths=values.get(self.lengths))

    def answered(self, call: Call) -> dict[str, Array]:
        """What the oracle gives in float64 to what the node got. Raises InvalidModel where it is not read."""
        if self.layer is None:
            raise InvalidModel(f"the recurrent node {printable(self.name)} cannot be read")
        mode = "concat" if self.layer.directions == 2 else None
        layer = replace(self.layer, return_sequences=True, outputs_reversed=False, merge_mode=mode)
        more = {} if call.lengths is None else {"lengths": call.lengths}
        case = in_dtype(layer, np.dtype(np.float64)).case(call.inputs, **more)
        if call.initial:
            pairs = zip(call.initial, case.state_shapes, strict=True)
            case = with_states(case, *(state.reshape(shape) for state, shape in pairs))
        trace = NumpyAdapter().run(case)
        outputs = np.stack(np.split(trace.outputs, layer.directions, axis=-1))
        states = (case.by_cell(state) for state in trace.states)
        return dict(zip(self.outputs, (outputs.transpose(2, 0, 1, 3), *states), strict=True))

    def emitting(self, values: Values, instead: Call) -> dict[str, Array]:
        """What it gives, where that is to be another's: all that this tells, of the rest its own.

        Outputs and final state h tell of each other where only one of them is told.
        """
        names = dict(zip(("Y", "h", "c"), self.outputs, strict=False))
        own = {key: values[name].copy() for key, name in names.items()}
        dtype, time = own["Y"].dtype, len(own["Y"])
        ends = np.full(own["Y"].shape[2], time) if self.lengths not in values else values[self.lengths]
        last = [
            (d, row, 0 if self.is_backward(d) else int(end) - 1)
            for d in range(len(own["h"]))
            for row, end in enumerate(ends)
            if end
        ]
        if instead.outputs is not None:
            own["Y"] = self.divided(instead.outputs, len(own["h"])).transpose(2, 0, 1, 3)
            for d, row, step in last:
                own["h"][d, row] = own["Y"][step, d, row]
        elif instead.last is not None:
            own["h"] = self.divided(instead.last, len(own["h"]))
            for d, row, step in last:
                own["Y"][step, d, row] = own["h"][d, row]
        own |= zip(("h", "c"), instead.final, strict=False)
        return {names[key]: array.astype(dtype) for key, array in own.items()}

    def divided(self, outputs: Array, directions: int) -> Array:
        """Outputs of each direction, that are merged to given ones."""
        return np.stack(DIVIDED[self.merge_mode](outputs) if directions == 2 else [outputs])

    def is_backward(self, direction: int) -> bool:
        """Tell whether a direction ends at the first step."""
        return direction == 1 or (self.layer is not None and self.layer.reverse)


def nodes_of(graph: Any, path: Path) -> list[Node]:
    """The recurrent nodes of a graph in its order, each of which is made to give all that it can."""
    reader = Graph(graph, path.parent, path.stat().st_size)
    return [made(*each) for each in zip(reader.nodes, reader.each(), strict=True)]


def with_biases(weights: Weights) -> Weights:
    """Weights with both biases, zeros where a node is given none: so nodes on top of each other are alike."""
    zeros = np.zeros(len(weights.W), weights.W.dtype)
    biases = (zeros if bias is None else bias for bias in weights.biases)
    return weights._replace(**dict(zip(("b", "recurrent_b"), biases, strict=True)))


def made(node: Any, found: Found) -> Node:
    """A node, its layer being read or not; missing outputs are added to it."""
    count = len(OPERATORS[node.op_type].outputs)
    node.output.extend([""] * (count - len(node.output)))
    node.output[:] = [
        name or f"{found.name}/{OPERATORS[node.op_type].outputs[k]}" for k, name in enumerate(node.output)
    ]
    inputs = [*node.input, *[""] * 7]
    layer, reason = None, ""
    if isinstance(found, UnreadLayer):
        reason = found.reason
    else:
        assumed = tuple(dict.fromkeys((*found.assumed, *AROUND)))
        layer = replace(found, cells=tuple(map(with_biases, found.cells)), assumed=assumed)
    states = tuple(inputs[STATES][: count - 1])
    return Node(found.name, layer, inputs[SEQUENCE], inputs[LENGTHS], states, tuple(node.output), reason)
