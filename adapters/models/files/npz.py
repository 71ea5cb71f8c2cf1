"""NumPy's archives of arrays, which hold every layer without loss; nothing in them is ever unpickled.

Arrays of a layer, by name; in a file with a single layer the name may be missing, with its dot:
    encoder.W, encoder.U, encoder.b, encoder.recurrent_b, encoder.projection
                                                            of the first cell, in the reference layout
    encoder.more_weights[0].W, ...                          of the others, as in `reference.Case`
    encoder.options                                         a text, JSON: the fields of RecurrentLayer
Where there are no options they are what is usual. Names of other kinds are read too: see array_names.
"""

import json
import re
import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.files import array_names, reading
from rnn_lockstep.adapters.models.files.archive import Archive
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.recurrent_layer import OPTIONS, Found, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.validation import Array

PARTS = "|".join((*Weights._fields, "options"))
KEY = re.compile(rf"(?:(.*?)\.)??(?:more_weights\[(\d{{1,4}})\]\.)?({PARTS})", re.S)
FIELDS = (*OPTIONS, "outputs_reversed", "assumed")
# The header of an array's file, a Python dictionary in the one way in which NumPy writes it.
HEADER = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]{0,99})\), ?\}\s*"
)
DTYPE = re.compile(r"[<>|=]?(f2|f4|f8|V2|U[1-9]\d{0,5})")
LONGEST_OPTIONS = 2**16


def read(path: Path) -> list[Found]:
    """The recurrent layers of a file. Raises InvalidModel."""
    with reading.refusing(path):
        archive = Archive(reading.contents(path), compressed=True)
        names = [name.removesuffix(".npy") for name in archive.names if name.endswith(".npy")]

        def read_array(name: str) -> Array | ValueError:
            return reading.or_error(_member, archive, name)

        own = {name: read_array(name) for name in names if KEY.fullmatch(name)}
        others = [name for name in names if name not in own]
        found = layers_of(own) + array_names.layers_of(others, read_array)
        return found or reading.need_layers([], _first(archive, names))


def _first(archive: Archive, names: Sequence[str]) -> dict[str, Any]:
    """The first arrays by name, which tell what an archive without layers is; all others by name only."""
    shapes = {name: reading.or_error(_member, archive, name) for name in names[: reading.FEW]}
    return {**dict.fromkeys(names), **shapes}


def _member(archive: Archive, name: str) -> Array:
    return array_of(name, archive.read(f"{name}.npy"))


def array_of(name: str, data: bytes) -> Array:
    """The array of a member, whose header is checked against the bytes there are. Raises ValueError."""
    start = {b"\x93NUMPY\x01\x00": "<H", b"\x93NUMPY\x02\x00": "<I"}.get(data[:8])
    if start is None:
        raise ValueError(f"{name} is not of version 1 or 2 of the npy format")
    end = 8 + struct.calcsize(start)
    end += struct.unpack(start, data[8:end].ljust(end - 8, b"\0"))[0]
    found = HEADER.fullmatch(data[8 + struct.calcsize(start) : end])
    if not found:
        raise ValueError(f"{name} has a header that is not of plain numbers in the npy format")
    descr, order, numbers = (part.decode() for part in found.groups())
    if "O" in descr:
        raise ValueError(f"{name} holds pickled objects, which are never loaded")
    if not DTYPE.fullmatch(descr):
        raise ValueError(f"{name} has dtype {descr}, needs floats, or a text for options")
    dtype, fortran = np.dtype(descr), order == "True"
    shape = [int(n) for n in numbers.replace(",", " ").split()]
    array = reading.array_in(data[end:], dtype, shape[::-1] if fortran else shape, name)
    return (array.T if fortran else array).astype(dtype.newbyteorder("="), copy=False)


def layers_of(arrays: Mapping[str, Any]) -> list[Found]:
    """The layers of the reference's names, whose arrays may be the errors why there are none."""
    layers: dict[str, dict[int, dict[str, Any]]] = {}
    for key, array in arrays.items():
        found = KEY.fullmatch(key)
        name, number, part = found.groups() if found else ("", None, key)
        cells = layers.setdefault(name or "", {})
        cells.setdefault(0 if number is None else int(number) + 1, {})[part] = array
    recurrent = {"U", "recurrent_b", "options"}  # a dense layer may have W and b as well
    return [
        read_or_reason(name or "the model", _layer, name, cells)
        for name, cells in layers.items()
        if recurrent & cells.get(0, {}).keys()
    ]


def _layer(name: str, cells: dict[int, dict[str, Any]]) -> RecurrentLayer:
    where = name or "the model"
    reading.need_arrays(array for parts in cells.values() for array in parts.values())
    if sorted(cells) != list(range(len(cells))):
        raise ValueError(f"layer {where} lacks the weights of a cell between others")
    options = _options(where, cells[0].pop("options", None))
    dtype = options.pop("dtype", None)
    weights = [_weights(where, cells[k], dtype) for k in range(len(cells))]
    if not options:
        cell = reading.cell_of(weights[0])
        if cell is None:
            raise ValueError(f"layer {where}: U has shape {weights[0].U.shape}, that of no cell")
        options = {"cell": cell, "assumed": tuple(field for field in FIELDS[1:-1])}
        if len(cells) > 1:
            raise ValueError(f"layer {where} has several cells, which needs {where}.options")
    return reading.layer(name or options["cell"], weights, **options)


def _weights(where: str, parts: dict[str, Array], dtype: str | None) -> Weights:
    """The weights of one cell; bfloat16 is stored as bits that only the options name."""
    for part in ("W", "U"):
        if part not in parts:
            raise ValueError(f"layer {where} has no {part} beside {', '.join(parts) or 'its options'}")
    if dtype == "bfloat16":
        bits = reading.FLOATS[dtype]
        parts = {k: a.view(bits) if a.dtype == np.dtype("V2") else a for k, a in parts.items()}
    return Weights(*(parts.get(part) for part in Weights._fields))


def _options(where: str, text: Array | None) -> dict[str, Any]:
    """The fields in a JSON text, of the types they have; none where there is no text."""
    if text is None:
        return {}
    if text.dtype.kind != "U" or text.ndim or text.dtype.itemsize > 4 * LONGEST_OPTIONS:
        raise ValueError(f"{where}.options is {text.dtype} of shape {text.shape}, needs a text")
    options = json.loads(str(text))
    defaults = {f.name: f.default for f in RecurrentLayer.__dataclass_fields__.values()}
    if not isinstance(options, dict) or options.keys() - {*FIELDS, "dtype"} or "cell" not in options:
        raise ValueError(f"{where}.options needs JSON with cell and of {', '.join((*FIELDS, 'dtype'))}")
    assumed = options.get("assumed", [])
    if not isinstance(assumed, list) or any(field not in FIELDS for field in assumed):
        raise ValueError(f"{where}.options has assumed = {assumed!r}, needs names of options")
    for field, value in options.items():
        flag = isinstance(defaults.get(field), bool)
        if field != "assumed" and not (type(value) is (bool if flag else str) or value is None):
            raise ValueError(f"{where}.options has {field} = {value!r}")
    return options | {"assumed": tuple(assumed)}


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """An archive of all that is known of the layers. Raises InvalidModel where two have one name."""
    reading.need_one_each(layers)
    arrays: dict[str, Any] = {}
    for layer in layers:
        for k, weights in enumerate(layer.cells):
            cell = f"{layer.name}.more_weights[{k - 1}]" if k else layer.name
            arrays |= {f"{cell}.{part}": w for part, w in weights._asdict().items() if w is not None}
        options = {field: getattr(layer, field) for field in FIELDS} | {"dtype": layer.dtype.name}
        options["assumed"] = [field for field in layer.assumed if field in FIELDS]
        arrays[f"{layer.name}.options"] = np.array(json.dumps(options))
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


FORMAT = Format((".npz",), read, write, begins=re.compile(rb"PK\x03\x04.{26}.{1,200}?\.npy", re.S))
