"""Tools that the formats of model files share: a file's bytes, checked arrays, refusals in one line."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.validation import Array, need_weights

LARGEST_FILE = 2**32
BEGINNING = 256  # bytes, which tell the format where the suffix does not
FEW = 6  # files that are listed
LONGEST_LIST, LONGEST_NAME = 150, 60  # characters, of which a line with the rest has room
NO_LAYERS = "it has no recurrent layers that can be read"
LFS = b"version https://git-lfs.github.com/spec/"
FLOATS: dict[str, Any] = {
    **{name: np.dtype(name) for name in ("float64", "float32", "float16")},
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into an InvalidModel that names it, in one line."""
    try:
        yield
    except (OSError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        told = "it is nested too deeply" if deep else in_one_line(error)
        raise InvalidModel(f"{printable(str(path))}: {told}") from None


def contents(path: Path) -> bytes:
    """A regular file's bytes. Raises OSError or ValueError."""
    data = safe_files.read(path, LARGEST_FILE)
    need_no_pointer(data)
    return data


def need_no_pointer(data: bytes) -> None:
    """Raise ValueError where a file is only what git keeps in its place."""
    if data.startswith(LFS):
        raise ValueError("it is a Git LFS pointer and not the file itself, which `git lfs pull` fetches")


def beginning(path: Path) -> bytes:
    """A file's first bytes, which tell its format; none where it is no regular file."""
    try:
        return safe_files.read_part(path, 0, min(BEGINNING, safe_files.size_of(path)))
    except (OSError, ValueError):
        return b""


def need_layers(found: Sequence[Found], arrays: Mapping[str, Any], what: str = NO_LAYERS) -> list[Found]:
    """The layers that were found. Raises ValueError where there are none, with the arrays that there are.

    arrays: by name; of those that have a shape it is told.  what: says that there are none.
    """
    if not found:
        raise ValueError(f"{what}; it has {listed(arrays)}")
    return [*found]


class Unread(NamedTuple):
    """An array that is not read, of which only the shape is known."""

    shape: tuple[int, ...]


def listed(arrays: Mapping[str, Any]) -> str:
    """The names and shapes of arrays, of many the first."""
    told = [f"{name[:LONGEST_NAME]} {getattr(a, 'shape', '')}".rstrip() for name, a in arrays.items()]
    return some(told) or "no arrays"


def some(names: Sequence[str], room: int = LONGEST_LIST) -> str:
    """Names in a line of that many characters, or the first of them, and how many more there are."""
    shown = list[str]()
    for name in names:
        room -= len(name) + 2
        if shown and room < 0:
            break
        shown.append(name)
    more = len(names) - len(shown)
    return f"{', '.join(shown)}{f' and {more} more' if more else ''}"


def need_package(name: str) -> None:
    """Raise InvalidModel, telling what to install, where a package for model files is not installed."""
    if find_spec(name) is None:
        raise InvalidModel(f"{name} is not installed: pip install 'rnn-lockstep[models]'")


def unwritable(layer: RecurrentLayer, framework: str, reason: object) -> InvalidModel:
    """The error that a layer cannot be written for a framework, in one line."""
    return InvalidModel(printable(f"layer {layer.name} cannot be written for {framework}: {reason}"))


def need_one_each(layers: Sequence[RecurrentLayer]) -> None:
    """Raise InvalidModel unless there are layers to write, each with a name of its own."""
    names = [layer.name for layer in layers]
    if not names:
        raise InvalidModel("there are no recurrent layers to write")
    for name in names:
        if names.count(name) > 1:
            raise InvalidModel(f"two layers have the name {printable(name)}; a file needs each once")


def unique(names: Sequence[str]) -> list[str]:
    """Names that tell layers apart; those that come again are numbered."""
    found: list[str] = []
    for name in names:
        number, new = 0, name
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def unpacked(weights: Weights, cell: str, framework: str, where: str = "") -> Weights:
    """Weights of a framework that has them as rows, in the reference layout.

    where: goes before their names in the ValueError for those of a wrong shape.
    """
    need_weights(cell, weights, weights.W.shape[-1] if weights.W.ndim else 0, where)
    return unpack(weights, cell, framework)


def need_no_projection(layers: Sequence[RecurrentLayer], framework: str) -> None:
    """Raise InvalidModel for a layer with a projection, which no LSTM of the framework has."""
    for layer in layers:
        if layer.projection_size:
            raise unwritable(layer, framework, "it projects its outputs, and no LSTM there does")


def cell_of(weights: Weights) -> str | None:
    """The cell that has as many gates as there are in the rows of U; None where there is none."""
    wide = weights.U if weights.projection is None else weights.projection
    return cell_of_size(len(weights.U), wide.shape[1]) if weights.U.ndim == wide.ndim == 2 else None


def cell_of_size(rows: int, hidden_size: int) -> str | None:
    """The cell that has that many rows of all gates; None where there is none."""
    return next((cell for cell, gates in GATES.items() if rows == len(gates) * hidden_size > 0), None)


def layer(name: str, cells: Sequence[Weights], **options: Any) -> RecurrentLayer:
    """A layer that was read. Raises ValueError, naming it, where its weights do not fit together."""
    try:
        return RecurrentLayer(name, tuple(cells), **options)
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from None


def or_error(read: Callable[..., Array], *given: Any) -> Array | ValueError:
    """The array that a function reads, or the error why it cannot, which is raised where it is needed."""
    try:
        return read(*given)
    except ValueError as error:
        return error


def need_arrays(found: Iterable[Array | ValueError | None]) -> None:
    """Raise the first error among arrays that were read."""
    for each in found:
        if isinstance(each, ValueError):
            raise each


def array_in(data: bytes, dtype: Any, shape: Sequence[Any], name: str) -> Array:
    """The array of that shape whose numbers, in C order, the bytes are: no fewer, no more, nothing copied.

    Raises ValueError where they are not; so a declared shape takes no memory.
    """
    whole = all(type(n) is int and n >= 0 for n in shape)
    if not whole or prod(shape) * dtype.itemsize != len(data) or len(shape) > 8:
        raise ValueError(f"{name} has shape {tuple(shape)} of {dtype}, and {len(data)} bytes")
    if 0 in shape:
        raise ValueError(f"{name} is empty: it has shape {tuple(shape)}")
    return np.frombuffer(data, dtype).reshape(shape)
