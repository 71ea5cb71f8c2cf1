"""Read a TFLite model from standard input and write its recurrent operators to standard output.

Run by `adapters/models/files/tflite.py` as a script, in a process that may crash. Written are safetensors:
the constants that operator k is given, as k/PLACE by their places among its inputs, and in the metadata, as
JSON, what each operator is, and the kinds of all others.
"""

import json
import re
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

RECURRENT = re.compile("LSTM|RNN|GRU|SVDF")
MEMORY = 2**30  # bytes that the process may take, beside those of the libraries
MEMORY_A_BYTE = 64


def bounded(size: int) -> None:
    """Let this process have no more memory than it has, and what the reading of so many bytes needs."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not on Linux
        return
    most = taken + MEMORY + MEMORY_A_BYTE * size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def tensorflows_schema() -> Any:
    """TensorFlow's module of TFLite's schema, by itself: importing all of TensorFlow takes seconds."""
    found = find_spec("tensorflow")
    assert found is not None
    path = Path(str(found.origin)).with_name("lite") / "python" / "schema_py_generated.py"
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    schema = module_from_spec(spec)
    spec.loader.exec_module(schema)
    return schema


def names_of(kinds: Any) -> dict[int, str]:
    """The names of a schema's numbers."""
    return {value: name for name, value in vars(kinds).items() if isinstance(value, int)}


def constants_of(node: Any, graph: Any, model: Any) -> dict[int, Any]:
    """The tensors of the constants that an operator is given, by their places among its inputs."""
    tensors = {place: graph.tensors[index] for place, index in enumerate(node.inputs) if index >= 0}
    return {
        place: tensor
        for place, tensor in tensors.items()
        if model.buffers[tensor.buffer].data is not None and not tensor.isVariable
    }


def main() -> None:
    """Read the model and write its contents. Raises whatever is wrong with it."""
    data = sys.stdin.buffer.read()
    import numpy as np
    from safetensors.numpy import save

    schema = tensorflows_schema()
    bounded(len(data))
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    operators, functions = names_of(schema.BuiltinOperator), names_of(schema.ActivationFunctionType)
    kinds = names_of(schema.TensorType)
    arrays: dict[str, Any] = {}
    layers: list[dict[str, Any]] = []
    others: dict[str, bool] = {}
    for graph, node in ((each, node) for each in model.subgraphs for node in each.operators):
        code = model.operatorCodes[node.opcodeIndex]
        kind = operators[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if not RECURRENT.search(kind):
            others[kind] = True
            continue
        constants = constants_of(node, graph, model)
        for place, tensor in constants.items():
            if tensor.type == schema.TensorType.FLOAT32:
                content = bytes(model.buffers[tensor.buffer].data)
                arrays[f"{len(layers)}/{place}"] = np.frombuffer(content, "<f4").reshape(tensor.shape)
        options = node.builtinOptions
        layers.append(
            {
                "kind": kind,
                "name": graph.tensors[node.outputs[0]].name.decode(),
                "given": [int(index) >= 0 for index in node.inputs],
                "constants": {place: kinds[tensor.type] for place, tensor in constants.items()},
                "activation": functions[getattr(options, "fusedActivationFunction", 0)],
                "clips": [getattr(options, name, 0.0) for name in ("cellClip", "projClip")],
            }
        )
    told = json.dumps({"layers": layers, "others": [*others]})
    sys.stdout.buffer.write(save(arrays, {"told": told}))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # of any kind, for a damaged file
        print(f"it is no TFLite model that can be read: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
