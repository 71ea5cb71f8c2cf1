"""Parts of ONNX graphs: what lies between recurrent nodes as a model of its own, in float64 too."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.onnx_nodes import OPERATORS
from rnn_lockstep.adapters.models.files.onnx_constants import attributes_of

# The attributes that name a dtype.
DTYPES = ("to", "dtype", "output_dtype")
SHOWN = "/shown"


def loaded(path: Any) -> Any:
    """The model in a file, its tensors in other files and its own functions put into the graph."""
    import onnx
    import onnx.inliner

    model = onnx.load(path, format="protobuf")
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def taken(node: Any) -> Iterator[str]:
    """The values that a node takes, those that the graphs inside it take from around them among them."""
    import onnx

    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs:
            for inner in graph.node:
                yield from taken(inner)
            yield from (output.name for output in graph.output)


def makers(graph: Any) -> dict[str, Any]:
    """The node that makes each value."""
    return {name: node for node in graph.node for name in node.output if name}


def behind(graph: Any, names: Iterable[str], known: Iterable[str] = (), through: Any = None) -> set[str]:
    """All values that some are made of, themselves among them; what is known is not looked behind.

    through: tells of a node whether what it takes counts; all do where it is None.
    """
    made, found, left = makers(graph), set[str](), list(names)
    known = set(known)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        node = made.get(name)
        if node is not None and name not in known and (through is None or through(node)):
            left += taken(node)
    return found


def part(model: Any, given: Mapping[str, int], wanted: Sequence[str], wide: bool = False) -> Any:
    """The model that makes some values of a graph of given ones. Its outputs are named as these, and SHOWN.

    given: ONNX's number of the dtype of each.  wide: whether it computes in float64.
    """
    import onnx

    graph, helper = model.graph, onnx.helper
    needed = behind(graph, wanted, given)
    nodes = [n for n in graph.node if any(name in needed and name not in given for name in n.output)]
    shown = [helper.make_node("Identity", [name], [name + SHOWN]) for name in wanted]
    made = helper.make_model(
        helper.make_graph(
            [*nodes, *shown],
            "part",
            [helper.make_tensor_value_info(n, kind, None) for n, kind in given.items() if n in needed],
            [onnx.ValueInfoProto(name=name + SHOWN) for name in wanted],
            [tensor for tensor in graph.initializer if tensor.name in needed and tensor.name not in given],
        ),
        opset_imports=model.opset_import,
    )
    made.ir_version = model.ir_version
    if wide:
        widen(made.graph)
    return made


def made_for(graph: Any, wanted: Sequence[str], given: Iterable[str]) -> list[str]:
    """All values that nodes make on the way from given values to wanted ones, in the graph's order."""
    known = set(given)
    needed = behind(graph, wanted, known) - known
    return [name for node in graph.node for name in node.output if name in needed]


def parameters(graph: Any) -> dict[str, Any]:
    """The constant arrays of floats that no recurrent node takes; a product's (in, out) are named kernels."""
    import onnx

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    taken_by = [name for node in graph.node if node.op_type in OPERATORS for name in node.input]
    kernels = [
        node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attributes_of(node).get("transB", 0))
    ]
    return {
        f"{name}.kernel" if name in kernels else name: onnx.numpy_helper.to_array(tensor)
        for name, tensor in tensors.items()
        if is_float(tensor.data_type) and len(tensor.dims) and name not in taken_by
    }


def widen(graph: Any) -> None:
    """Make a graph compute in float64, wherever it says that it computes in another dtype of floats."""
    import onnx

    for value in graph.input:
        if is_float(value.type.tensor_type.elem_type):
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for tensor in graph.initializer:
        widen_tensor(tensor)
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and not node.attribute:  # which is of zeros in float32
            node.attribute.append(onnx.helper.make_attribute("value", tensor_of([0.0])))
        for attribute in node.attribute:
            widen_attribute(attribute)


def widen_attribute(attribute: Any) -> None:
    """Make what an attribute tells float64, where it is an array, a number, a dtype or a graph."""
    import onnx

    if attribute.type == onnx.AttributeProto.TENSOR:
        widen_tensor(attribute.t)
    elif attribute.type == onnx.AttributeProto.GRAPH:
        widen(attribute.g)
    elif attribute.name in ("value_float", "value_floats"):  # of a Constant
        value = onnx.helper.get_attribute_value(attribute)
        attribute.CopyFrom(onnx.helper.make_attribute("value", tensor_of(value)))
    elif attribute.name in DTYPES and is_float(attribute.i):
        attribute.i = onnx.TensorProto.DOUBLE


def widen_tensor(tensor: Any) -> None:
    """Make a tensor of floats one of float64."""
    import onnx

    if is_float(tensor.data_type):
        tensor.CopyFrom(tensor_of(onnx.numpy_helper.to_array(tensor), tensor.name))


def tensor_of(numbers: Any, name: str = "") -> Any:
    """A tensor of numbers in float64."""
    import onnx

    return onnx.numpy_helper.from_array(np.asarray(numbers, np.float64), name)


def is_float(kind: int) -> bool:
    """Tell whether ONNX's number of a dtype is that of floats with fewer bits than float64 has."""
    import onnx

    return kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
