"""A tagger of four layers in torch, and the same as an ONNX graph, written rightly or with a mistake."""

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

TOKENS = "tokens:int(0..19) (batch,time)"
OPSET, IR_VERSION = 18, 8


class Tagger(nn.Module):
    """Tokens to scores: an embedding, two LSTMs as one layer, a GRU that begins with their last h, dense."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 6)
        self.encoder = nn.LSTM(6, 6, 2, batch_first=True)
        self.decoder = nn.GRU(6, 6, batch_first=True)
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn_like(parameter) / 2)

    def between(self, outputs, h, c):
        return outputs, h[1:]

    def forward(self, tokens):
        outputs, (h, c) = self.encoder(self.embedding(tokens))
        return self.head(self.decoder(*self.between(outputs, h, c))[0])


def reordered(array, gates, order):
    """Rows of gates in another order."""
    parts = dict(zip(gates, np.split(array, len(gates)), strict=True))
    return np.concatenate([parts[gate] for gate in order])


def arrays_of(model, lstm="iofc", gru="zrn"):
    """The constants of the graph; the gates of ONNX's nodes are in these orders."""
    found = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    arrays = {"embedding": found["embedding.weight"], "W": found["head.weight"].T, "b": found["head.bias"]}
    for node, layer, k, gates, order in (
        ("low", "encoder", 0, "ifco", lstm),
        ("high", "encoder", 1, "ifco", lstm),
        ("decoder", "decoder", 0, "rzn", gru),
    ):
        names = (f"{layer}.{part}_l{k}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        W, R, *biases = (reordered(found[name], gates, order) for name in names)
        arrays |= {f"{node}.W": W[None], f"{node}.R": R[None], f"{node}.B": np.concatenate(biases)[None]}
    return {name: array.copy() for name, array in arrays.items()} | {"axis": np.array([1])}


def nodes():
    """The nodes of the graph, in which time comes first between the two Transposes."""

    def recurrent(op_type, name, inputs, outputs, **attributes):
        return helper.make_node(op_type, inputs, outputs, name=name, hidden_size=6, **attributes)

    return [
        helper.make_node("Gather", ["embedding", "tokens"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["x"], perm=[1, 0, 2]),
        recurrent("LSTM", "encoder/LSTM", ["x", "low.W", "low.R", "low.B"], ["low.Y", "low.h", "low.c"]),
        helper.make_node("Squeeze", ["low.Y", "axis"], ["low"]),
        recurrent(
            "LSTM", "encoder/LSTM_1", ["low", "high.W", "high.R", "high.B"], ["high.Y", "high.h", "high.c"]
        ),
        helper.make_node("Squeeze", ["high.Y", "axis"], ["high"]),
        recurrent(
            "GRU",
            "decoder",
            ["high", "decoder.W", "decoder.R", "decoder.B", "", "high.h"],
            ["decoder.Y"],
            linear_before_reset=1,
        ),
        helper.make_node("Squeeze", ["decoder.Y", "axis"], ["decoder"]),
        helper.make_node("Transpose", ["decoder"], ["y"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["y", "W"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["scores"]),
    ]


class Graph:
    """The graph before it is written: its constants, nodes and inputs, to be changed."""

    def __init__(self, model=None, **orders):
        self.arrays = arrays_of(model or Tagger(), **orders)
        self.nodes = nodes()
        self.inputs = {"tokens": (np.int64, ["batch", "time"])}
        self.output = ["batch", "time", 3]
        self.producer = "somebody"

    def maker(self, value):
        """The node that makes a value."""
        return next(node for node in self.nodes if value in node.output)

    def replace(self, value, other, first=0):
        """Let nodes from number `first` take another value in a value's place."""
        for node in self.nodes[first:]:
            node.input[:] = [other if name == value else name for name in node.input]

    def apply(self, op_type, value, *more, **attributes):
        """Put a node between a value and what takes it."""
        at = self.nodes.index(self.maker(value)) + 1
        self.replace(value, f"{value}'", at)
        self.nodes.insert(at, helper.make_node(op_type, [value, *more], [f"{value}'"], **attributes))

    def save(self, path):
        """Write the graph to a file, and return its path."""
        inputs = [value_of(name, *told) for name, told in self.inputs.items()]
        outputs = [value_of("scores", np.float32, self.output)]
        constants = [numpy_helper.from_array(array, name) for name, array in self.arrays.items()]
        graph = helper.make_graph(self.nodes, "tagger", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, producer_name=self.producer, ir_version=IR_VERSION
        )
        onnx.save(model, path)
        return path


def value_of(name, dtype, shape):
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def shifted(graph):
    graph.arrays["embedding"] = np.roll(graph.arrays["embedding"], 1, axis=0)


def cell_handed_on(graph):
    graph.replace("high.h", "high.c")


def state_forgotten(graph):
    graph.replace("high.h", "")


def never_turned(graph):
    del graph.nodes[1]
    graph.replace("x", "rows")


def not_turned_back(graph):
    graph.nodes.remove(graph.maker("y"))
    graph.replace("y", "decoder")


def bias_dropped(graph):
    graph.replace("high.B", "")


def upper_missing(graph):
    del graph.nodes[4:6]
    graph.replace("high", "low")
    graph.replace("high.h", "low.h")


def late(graph):
    graph.arrays |= {"pads": np.array([1, 0, 0, -1, 0, 0]), "zero": np.zeros((), np.float32)}
    graph.apply("Pad", "high", "pads", "zero")


def peepholes(graph):
    graph.arrays["P"] = np.full((1, 18), 0.05, np.float32)
    node = graph.maker("high.Y")
    node.input.extend([*[""] * (7 - len(node.input)), "P"])


def input_forget(graph):
    graph.maker("low.Y").attribute.append(helper.make_attribute("input_forget", 1))


def reset_before(graph):
    node = graph.maker("decoder.Y")
    node.attribute.remove(next(a for a in node.attribute if a.name == "linear_before_reset"))


def lengths_of_tokens(graph):
    """Not a mistake: rows end where zeros begin, and the recurrent nodes are told."""
    graph.arrays["none"] = np.array(0)
    graph.nodes[:0] = [
        helper.make_node("Equal", ["tokens", "none"], ["padding"]),
        helper.make_node("Not", ["padding"], ["valid"]),
        helper.make_node("Cast", ["valid"], ["ones"], to=onnx.TensorProto.INT32),
        helper.make_node("ReduceSum", ["ones", "axis"], ["lengths"], keepdims=0),
    ]
    lengths_told(graph)


def lengths_given(graph):
    """Not a mistake: the lengths of rows are an input."""
    graph.inputs["lengths"] = (np.int32, ["batch"])
    lengths_told(graph)


def lengths_told(graph):
    for value in ("low.Y", "high.Y", "decoder.Y"):
        node = graph.maker(value)
        node.input.extend([""] * (5 - len(node.input)))
        node.input[4] = "lengths"


def erf_after(graph):
    """Not a mistake: an operator that ONNX Runtime has in float32 only."""
    graph.apply("Erf", "product")
