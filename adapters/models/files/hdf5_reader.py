"""Read an HDF5 file from standard input and write its arrays and texts to standard output.

Run by `adapters/models/files/hdf5.py` as a script, in a process that may crash. Written are safetensors:
the arrays by path, and in the metadata, as JSON, the attributes that are texts by the path of their group.
What is no plain dataset in the file itself is refused: nothing else is opened, and no plugin is loaded.
"""

import io
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

MEMORY = 2**30  # bytes that the process may take, beside those for the file
MEMORY_A_BYTE = 8
# Arrays may come to this many times the file's size, and some more: compressed weights shrink little.
EXPANSION = 64
SMALL = 2**20
MOST_OBJECTS = 10**5
DEEPEST = 50
FILTERS = (1, 2, 3)  # deflate, shuffle, fletcher32: a part of every HDF5 library
NOT_READ = ("optimizer", "optimizer_weights")


def bounded(size: int) -> None:
    """Let this process have no more memory than the reading of so many bytes needs."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    most = MEMORY + MEMORY_A_BYTE * size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def objects(h5py: Any, file: Any) -> Iterator[tuple[str, Any]]:
    """Each group and dataset once, with its path."""
    left: list[tuple[str, Any]] = [("", file)]
    seen = {h5py.h5o.get_info(file.id).addr}
    while left:
        path, group = left.pop()
        yield path, group
        for name in group if isinstance(group, h5py.Group) else ():
            below = f"{path}/{name}".lstrip("/")
            if below in NOT_READ:
                continue
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{below} is a link to elsewhere, which is not followed")
            found = group[name]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise ValueError(f"{below} is linked to twice")
            seen.add(address)
            if len(seen) > MOST_OBJECTS or below.count("/") > DEEPEST:
                raise ValueError("there are too many groups in it, or they are too deep")
            left.append((below, found))


def numbers(path: str, dataset: Any, most: int) -> Any:
    """A dataset's array, or None when it holds no numbers. Raises ValueError for more than `most` bytes."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{path} is kept in another file, which is not opened")
    kind, item = dataset.dtype.kind, dataset.dtype.itemsize
    if dataset.shape is None or not ((kind in "fiu" and item <= 8) or (kind, item) == ("V", 2)):
        return None
    plist = dataset.id.get_create_plist()
    if any(plist.get_filter(k)[0] not in FILTERS for k in range(plist.get_nfilters())):
        raise ValueError(f"{path} is compressed in a way that is not read")
    size = math.prod(dataset.shape) * item
    if size > most:
        raise ValueError(f"{path} has shape {dataset.shape}, more than such a file can hold")
    array = dataset[()]
    if kind == "V":  # as h5py writes bfloat16
        import ml_dtypes

        return array.view(ml_dtypes.bfloat16)
    return array.astype(array.dtype.newbyteorder("="), order="C")


def texts(found: Any) -> dict[str, Any]:
    """The attributes of a group or dataset that are a text, or a list of them."""
    known = {}
    for name, value in found.attrs.items():
        if not isinstance(value, str | bytes):
            value = value.tolist() if value.dtype.kind in "SOU" and value.ndim == 1 else []
        plain = [v.decode() if isinstance(v, bytes) else v for v in ([value] if _one(value) else value)]
        if plain and all(isinstance(v, str) for v in plain):
            known[name] = plain[0] if _one(value) else plain
    return known


def _one(value: Any) -> bool:
    """Tell whether an attribute is a single text."""
    return isinstance(value, str | bytes)


def main() -> None:
    """Read the file and write its contents. Raises whatever h5py does."""
    data = sys.stdin.buffer.read()
    import h5py
    from safetensors.numpy import save

    bounded(len(data))
    arrays, attributes, left = {}, {}, EXPANSION * len(data) + SMALL
    with h5py.File(io.BytesIO(data), "r") as file:
        for path, found in objects(h5py, file):
            if isinstance(found, h5py.Group):
                attributes[path] = texts(found)
            elif isinstance(found, h5py.Dataset):
                array = numbers(path, found, left)
                if array is not None:
                    left -= array.nbytes
                    arrays[path] = array
    sys.stdout.buffer.write(save(arrays, {"told": json.dumps(attributes)}))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # h5py raises any; the process that reads this knows what to do
        print(f"it is no HDF5 file that can be read: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
