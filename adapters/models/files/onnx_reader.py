"""The recurrent layers in an ONNX graph, of its RNN, GRU and LSTM nodes and what lies between them.

Those in the branches of an If, or in the body of a Loop or Scan, are named after it: `then_branch/lstm`.

What the operators compute: https://onnx.ai/onnx/operators/onnx__LSTM.html and its likes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.onnx_nodes import OPERATORS
from rnn_lockstep.adapters.models.files import onnx_foreign, reading
from rnn_lockstep.adapters.models.files.onnx_constants import Constants, attributes_of
from rnn_lockstep.adapters.models.files.onnx_options import MERGES, options_of
from rnn_lockstep.adapters.models.recurrent_layer import (
    Found,
    RecurrentLayer,
    UnreadLayer,
    read_or_reason,
)
from rnn_lockstep.reference import Weights

# What lies between a layer's nodes without changing a number.
PASSING = ("Transpose", "Reshape", "Squeeze", "Identity", *MERGES.values())
STANDARD = ("", "ai.onnx")  # the domains of ONNX's own operators
PICKING = ("Slice", "Gather", "Concat", "Split", "Unsqueeze")  # outputs, or directions, of a node's
SUFFIX = re.compile(r"(.*)/(?:RNN|GRU|LSTM)(?:_\d+)?", re.S)


class Graph:
    """The nodes of a graph, with those that make and those that take each value.

    folder: where tensors may lie that the file leaves in another.  size: the file's, in bytes.
    outer: the graph that it is a part of.
    """

    def __init__(self, graph: Any, folder: Path, size: int, outer: "Graph | None" = None) -> None:
        self.graph = graph
        self.constants: Constants = Constants(graph, folder, size, outer.constants if outer else None)
        self.nodes = [n for n in graph.node if n.op_type in OPERATORS and n.domain in STANDARD]
        self.foreign = [n for n in graph.node if n.domain not in STANDARD and onnx_foreign.is_recurrent(n)]
        self.makers = self.constants.nodes
        self.takers: dict[str, list[Any]] = {output.name: [] for output in graph.output}
        for node in graph.node:
            for name in filter(None, node.input):
                self.takers.setdefault(name, []).append(node)
        self.inner = [(n, Graph(g, folder, size, self)) for n, g in graphs_in(graph.node)]
        for name in [name for _, part in self.inner for name in part.takers]:
            self.takers.setdefault(name, [])

    def layers(self) -> list[Found]:
        """The layers of this graph, then those of the graphs inside it, each with its own name."""
        found = self._named_layers()
        names = reading.unique([name for name, _ in found])
        return [replace(layer, name=name) for name, (_, layer) in zip(names, found, strict=True)]

    def _named_layers(self) -> list[tuple[str, Found]]:
        """The layers by names that tell where they are; several may have one."""
        foreign = [(name_of(node), onnx_foreign.reason(node, self.constants)) for node in self.foreign]
        own = [*self._own_layers(), *(UnreadLayer(*told) for told in foreign)]
        inside = [(place, layer) for place, part in self.inner for layer in part._named_layers()]
        return [
            *((each.name, each) for each in own),
            *((f"{place}/{n}", each) for place, (n, each) in inside),
        ]

    def _own_layers(self) -> list[Found]:
        """The layers, one of each stack of nodes that have one name. Raises ValueError."""
        stacks: dict[str, list[Any]] = {}
        places: dict[str, str] = {}  # the stack whose last node makes a value
        for node in self.nodes:
            name = name_of(node)
            below = places.get(self._below(node))
            if below is not None and below.split("\0")[0] == name and alike(node, stacks[below][0]):
                place = below
            else:
                place = name if name not in stacks else f"{name}\0{len(stacks)}"
            stacks.setdefault(place, []).append(node)
            places[_output(node, 0)] = place
        names = reading.unique([place.split("\0")[0] for place in stacks])
        pairs = zip(names, stacks.values(), strict=True)
        return [read_or_reason(name, self._layer, name, nodes) for name, nodes in pairs]

    def each(self) -> list[Found]:
        """A layer for each of the nodes, in their order, those of one name numbered. Raises ValueError."""
        names = reading.unique([name_of(node) for node in self.nodes])
        pairs = zip(names, self.nodes, strict=True)
        return [read_or_reason(name, self._layer, name, [node]) for name, node in pairs]

    def is_bare(self) -> bool:
        """Tell whether the graph does nothing before, between and after its recurrent nodes."""
        made = {name for node in self.nodes for name in node.output}
        given = {value.name for value in self.graph.input}
        ends = (self._behind(output.name, (*PASSING, *PICKING)) for output in self.graph.output)
        return all(end in made for end in ends) and all(self._below(n) in made | given for n in self.nodes)

    def _below(self, node: Any) -> str:
        """The value that becomes a node's inputs, before it is turned and reshaped."""
        return self._behind(node.input[0] if node.input else "", PASSING)

    def _behind(self, value: str, passing: Sequence[str]) -> str:
        """The value that becomes another by some kinds of nodes."""
        seen: set[str] = set()
        while value not in seen and value in self.makers and self.makers[value].op_type in passing:
            seen.add(value)
            inputs = self.makers[value].input
            value = inputs[0] if inputs else ""
        return value

    def _layer(self, name: str, nodes: Sequence[Any]) -> RecurrentLayer:
        """The layer of a stack of nodes, the lowest first."""
        first, last = nodes[0], nodes[-1]
        try:
            options = options_of(first)
            cells = [weights for node in nodes for weights in self._weights(node)]
        except ValueError as error:
            raise ValueError(f"layer {name}: {error}") from None
        assumed = []
        if options["merge_mode"]:
            merge = self._merge(_output(first, 0), 1) or self._merge(_output(first, 1), 0)
            options["merge_mode"] = merge or "concat"
            assumed += [] if merge else ["merge_mode"]
        options["return_sequences"] = _output(last, 0) in self.takers or _output(last, 1) not in self.takers
        assumed += ["return_sequences"] if options["return_sequences"] else []
        options["outputs_reversed"] = options["reverse"] and self._is_reversed(_output(last, 0))
        return reading.layer(name, cells, **options, assumed=tuple(assumed))

    def _weights(self, node: Any) -> Iterator[Weights]:
        """The weights of each of a node's directions."""
        if len(node.input) > 7 and node.input[7]:
            raise ValueError("it has peepholes (P), which no other framework's LSTM has")
        if len(node.input) < 3:
            raise ValueError("it has no W or R")
        W, R = (self.constants.floats(name) for name in node.input[1:3])
        B = self.constants.floats(node.input[3]) if len(node.input) > 3 and node.input[3] else None
        attributes = attributes_of(node)
        directions = 2 if attributes.get("direction") == b"bidirectional" else 1
        shapes = [W.shape[:1], R.shape[:1], *([] if B is None else [B.shape[:1]])]
        if any(shape != (directions,) for shape in shapes) or (B is not None and B.ndim != 2):
            raise ValueError(f"W, R or B is not of {directions} directions: {W.shape}, {R.shape}")
        if (told := attributes.get("hidden_size", R.shape[-1])) != R.shape[-1]:
            raise ValueError(f"its hidden_size is {told}, and R has shape {R.shape}")
        for d in range(directions):
            both = (None, None) if B is None else np.split(B[d], 2)
            yield reading.unpacked(Weights(W[d], R[d], *both), OPERATORS[node.op_type].cell, "onnx")

    def _merge(self, value: str, axis: int) -> str | None:
        """The merge_mode of both directions, where one node tells it."""
        for node in self.takers.get(value, ()):
            for mode, op_type in MERGES.items():
                if node.op_type == op_type and self._axes(node) == [axis]:
                    return mode
        return None

    def _is_reversed(self, value: str) -> bool:
        """Tell whether outputs are turned round, so that they are in the order of the steps."""
        takers = [node for node in self.takers.get(value, ()) if node.op_type == "Slice"]
        return any(len(n.input) > 4 and self.constants.array(n.input[4]).tolist() == [-1] for n in takers)

    def _axes(self, node: Any) -> list[int]:
        """The axes over which a node reduces."""
        if len(node.input) > 1 and node.input[1]:
            return [int(n) for n in self.constants.array(node.input[1]).ravel()]
        return list(attributes_of(node).get("axes", []))


def graphs_in(nodes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The graphs that nodes have as attributes, as an If has its branches, each with the attribute's name."""
    import onnx

    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield attribute.name, attribute.g
            for graph in attribute.graphs:
                yield attribute.name, graph


def _output(node: Any, k: int) -> str:
    """The name of output k of a node; empty where it has none."""
    return str(node.output[k]) if len(node.output) > k else ""


def alike(node: Any, other: Any) -> bool:
    """Tell whether two nodes can be layers of one stack."""
    return bool(node.op_type == other.op_type and attributes_of(node) == attributes_of(other))


def name_of(node: Any) -> str:
    """The name of a node's layer: that of the module, from torch's exporters, or the node's own."""
    if not isinstance(node.name, str):
        raise ValueError(f"a node's name is no text: {node.name!r}")
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes" and isinstance(entry.value, str):
            scopes = re.findall(r"'([^']*)'", entry.value)
            if len(scopes) > 1:
                return scopes[-2] or OPERATORS[node.op_type].cell
    found = SUFFIX.fullmatch(node.name)
    name = found.group(1) if found else node.name
    name = name[1:].replace("/", ".") if node.name.startswith("/") else name
    return name or OPERATORS[node.op_type].cell
