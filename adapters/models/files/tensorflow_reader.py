"""Read a TensorFlow checkpoint and write its arrays to standard output: tensorflow_reader.py PREFIX BYTES.

Run by `adapters/models/files/tensorflow_checkpoint.py` as a script, in a process that may crash. Written are
safetensors: the weights of cells by name, and in the metadata, as JSON, the shapes of all variables.
BYTES is how many the files have, and so the most that arrays may have.
"""

import json
import math
import sys
from typing import Any

# What a variable of an object that was saved has after the way to it, and what an optimizer's has in it.
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT = "/.OPTIMIZER_SLOT/"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The last parts of the names of weights; of all others the shapes are enough.
WEIGHTS = ("kernel", "recurrent_kernel", "bias", "weights", "biases")
FLOATS = ("float64", "float32", "float16", "bfloat16")


def given_names(reader: Any, keys: list[str]) -> dict[str, str]:
    """The names that a program gave to variables, by their keys; none in files of TensorFlow 1."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    if OBJECTS not in keys:
        return {}
    graph = TrackableObjectGraph.FromString(reader.get_tensor(OBJECTS))
    named = (attribute for node in graph.nodes for attribute in node.attributes)
    return {attribute.checkpoint_key: attribute.full_name for attribute in named if attribute.full_name}


def names_of(keys: list[str], given: dict[str, str], arrays: dict[str, Any]) -> dict[str, str]:
    """A name for each key: the given one, unless two keys with different arrays have it."""
    import numpy as np

    by_name: dict[str, list[str]] = {}
    for key in keys:
        by_name.setdefault(given.get(key, key.removesuffix(VALUE)), []).append(key)
    names: dict[str, str] = {}
    for name, own in by_name.items():
        known = [arrays[key] for key in own if key in arrays]
        same = len(own) == 1 or (len(known) == len(own) and all(np.array_equal(known[0], a) for a in known))
        names |= {own[0]: name} if same else {key: key.removesuffix(VALUE) for key in own}
    return names


def main() -> None:
    """Read the checkpoint and write its contents. Raises whatever TensorFlow does."""
    import numpy as np

    sys.modules |= dict.fromkeys(("keras", "jax"))  # type: ignore[arg-type]  # imported with it, for seconds
    import tensorflow as tf
    from safetensors.numpy import save

    prefix, most = sys.argv[1], int(sys.argv[2])
    reader = tf.train.load_checkpoint(prefix)
    dtypes, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    given = given_names(reader, [*shapes])
    keys = sorted(key for key in shapes if key != OBJECTS and SLOT not in key)
    arrays = {}
    for key in keys:
        last = given.get(key, key.removesuffix(VALUE)).rpartition("/")[2]
        if last in WEIGHTS and dtypes[key].name in FLOATS:
            most -= math.prod(shapes[key]) * dtypes[key].size
            if most < 0:
                raise ValueError(f"{key} has shape {tuple(shapes[key])}, more than its files can hold")
            arrays[key] = np.ascontiguousarray(reader.get_tensor(key))
    names = names_of(keys, given, arrays)
    told = {name: list(shapes[key]) for key, name in names.items()}
    weights = {names[key]: array for key, array in arrays.items() if key in names}
    sys.stdout.buffer.write(save(weights, {"told": json.dumps(told)}))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # TensorFlow raises any; the process that reads this knows what to do
        print(f"it is no checkpoint that TensorFlow reads: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
