"""Read a checkpoint of orbax and write its arrays to standard output: orbax_reader.py FOLDER BYTES.

Run by `adapters/models/files/orbax_folder.py` as a script, in a process of its own. Written are safetensors:
the arrays by the keys that lead to them, with "/" between. BYTES is how many the folder's files have.
"""

import math
import sys
from pathlib import Path
from typing import Any

# Arrays may come to this many times the files' size, and some more: compressed weights shrink little.
EXPANSION = 64
SMALL = 2**20
FLOATS = ("float64", "float32", "float16", "bfloat16")


def name_of(way: Any) -> str:
    """The keys that lead to an array, in one name."""
    keys = (getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))) for key in way)
    return "/".join(map(str, keys))


def main() -> None:
    """Read the checkpoint and write its contents. Raises whatever orbax does."""
    import numpy as np
    import orbax.checkpoint as ocp
    from jax import tree_util
    from safetensors.numpy import save

    folder, left = Path(sys.argv[1]).resolve(), EXPANSION * int(sys.argv[2]) + SMALL
    checkpointer = ocp.PyTreeCheckpointer()
    told = checkpointer.metadata(folder).item_metadata.tree
    for way, leaf in tree_util.tree_flatten_with_path(told)[0]:
        left -= (
            math.prod(getattr(leaf, "shape", None) or ())
            * np.dtype(getattr(leaf, "dtype", None) or "i1").itemsize
        )
        if left < 0:
            raise ValueError(f"{name_of(way)} has shape {leaf.shape}, more than its files can hold")
    as_numpy = tree_util.tree_map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), told)
    tree = checkpointer.restore(folder, restore_args=as_numpy)
    found = {name_of(way): leaf for way, leaf in tree_util.tree_flatten_with_path(tree)[0]}
    arrays = {
        name: np.ascontiguousarray(array)
        for name, array in found.items()
        if isinstance(array, np.ndarray) and array.dtype.name in FLOATS
    }
    sys.stdout.buffer.write(save(arrays, {"told": "null"}))


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # orbax raises any; the process that reads this knows what to do
        # On a line of its own, as orbax's threads may be in the middle of one.
        print(f"\nit is no checkpoint that orbax reads: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
