"""A case in a file, with what was answered and what is right: safetensors, readable in any language.

Arrays, by name:
    inputs, W, U, b, recurrent_b, projection, peepholes, initial_state, initial_cell_state,
    more_weights[0].W and so on, lengths, mask                    the case's, those that it has
    cotangents.outputs, ...                 where gradients are asked for: the derivatives of L
    observed.outputs, ...                   what a backend answered, or observed.gradients.W, ...
    expected.outputs, bound.outputs, ...    float64: what is right, and how far off is allowed

The metadata hold one text, "lockstep", in JSON: the case's options, its dtype, who answered and the
verdict. Arrays are stored in C order; a strided or Fortran one is loaded as such again ("layouts"),
with strides that are alike, not always the same.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as serialized

from rnn_lockstep.adapters.backends.array_memory import LAYOUTS, layout_of, with_layout
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import read, write
from rnn_lockstep.reference import Case, Cotangents, Weights
from rnn_lockstep.reference.oracle.gradients import given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array, form

FORMAT = 1
OPTIONS = (
    *("cell", "activation", "recurrent_activation", "reset_after"),
    *("reverse", "merge_mode", "return_sequences"),
)
# Options that a file has where they are not the usual ones, so that files without them stay as they were.
FURTHER: dict[str, tuple[type, ...]] = {"clip": (float, int), "input_forget": (bool,)}
TEXTS = ("backend", "facts", "status", "reason", "claim", "test")
# What the metadata's text must hold, and of which type.
FIELDS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "cell": (str,),
    "activation": (str,),
    "recurrent_activation": (str,),
    "reset_after": (bool,),
    "reverse": (bool,),
    "merge_mode": (str, type(None)),
    "return_sequences": (bool,),
    "dtype": (str,),
    "gradients": (bool,),
    "layouts": (dict,),
    "versions": (dict,),
    **{name: (str,) for name in TEXTS},
}
DTYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "BOOL": np.bool_,
}
STORABLE = frozenset(np.dtype(dtype) for dtype in DTYPES.values())
# A file may be no larger, its header no longer, and an array that is empty have no longer an axis: such
# an array costs nothing to store, and what is made of its shape could be of any size.
LARGEST_FILE = 2**30
LARGEST_HEADER = 2**20
LONGEST_EMPTY_AXIS = 2**20


class InvalidCase(ValueError):
    """A file is not a saved case, or cannot be read. The message is one line: which file, and why."""


def versions() -> dict[str, str]:
    """The versions of the software that a case is drawn and judged with."""
    return {"python": platform.python_version(), "numpy": np.__version__}


@dataclass(frozen=True, eq=False, repr=False)
class SavedCase:
    """A case, and what is known of an answer to it; empty texts and no arrays where nothing is.

    cotangents: those of the gradients that are asked for; None where none are.
    observed: the backend's answer, by the names of a Trace, or "gradients.W" and so on.
    expected, bound: the right answer and the error allowed, float64, each pair of one shape. Beside a
    verdict they are its comparisons', most of them by one step from the state the backend showed before.
    backend: as selected by `--backend`.  facts: its versions and settings.
    status, reason: the verdict's.  claim, test: as in `tests.harness.failure.Failure`.
    """

    case: Case
    cotangents: Cotangents | None = None
    observed: Mapping[str, Array] = field(default_factory=dict)
    expected: Mapping[str, Array] = field(default_factory=dict)
    bound: Mapping[str, Array] = field(default_factory=dict)
    backend: str = ""
    facts: str = ""
    status: str = ""
    reason: str = ""
    claim: str = ""
    test: str = ""
    versions: Mapping[str, str] = field(default_factory=versions)

    def given(self) -> dict[str, Array]:
        """The arrays of the case and of the cotangents, by the names they have in the file."""
        arrays = {**self.case.arrays(), "lengths": self.case.lengths, "mask": self.case.mask}
        if self.cotangents is not None:
            arrays |= {f"cotangents.{name}": a for name, a in self.cotangents._asdict().items()}
        return {name: array for name, array in arrays.items() if array is not None}

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that tell cases, cotangents and claims apart."""
        options = options_of(self.case)
        hashed = hashlib.sha256(json.dumps([options, self.claim]).encode())
        for name, array in sorted(self.given().items()):
            hashed.update(f"{name} {form(array)} {layout_of(array)}".encode())
            hashed.update(array.tobytes())
        return hashed.hexdigest()[:12]


def options_of(case: Case) -> dict[str, Any]:
    """The options of a case, as a file has them."""
    further = {name: value for name in FURTHER if (value := getattr(case, name))}
    return {name: getattr(case, name) for name in OPTIONS} | further


def save(path: Path, saved: SavedCase) -> None:
    """Write the file, all of it or nothing; folders are made.

    Raises OSError when that fails, and ValueError where the file would be larger than one may be.
    """
    write(path, pack(saved))


def load(path: Path, *, sha256: str | None = None) -> SavedCase:
    """Read a file, which must have this hash where one is given. Raises InvalidCase."""
    try:
        data = read(path, LARGEST_FILE)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("it has changed: its SHA-256 is not the one that is listed")
        return unpack(data)
    except (OSError, ValueError) as error:
        raise InvalidCase(f"{str(path)!r} is not a saved case: {in_one_line(error)}") from None


def pack(saved: SavedCase) -> bytes:
    """The file's bytes, the same for the same contents. Of observed arrays, those of a storable dtype.

    Raises ValueError where they are more than a file may have.
    """
    given = saved.given()
    arrays = dict(given)
    for part in ("observed", "expected", "bound"):
        arrays |= {f"{part}.{name}": array for name, array in getattr(saved, part).items()}
    arrays = {name: array for name, array in arrays.items() if storable(array)}
    if (size := sum(array.nbytes for array in arrays.values())) > LARGEST_FILE - LARGEST_HEADER:
        raise ValueError(f"its arrays have {size} bytes, and a file no more than {LARGEST_FILE}")
    header = {
        "format": FORMAT,
        **options_of(saved.case),
        "dtype": saved.case.dtype.name,
        "gradients": saved.cotangents is not None,
        "layouts": {name: layout_of(a) for name, a in given.items() if layout_of(a) != LAYOUTS[0]},
        "versions": dict(saved.versions),
        **{name: getattr(saved, name) for name in TEXTS},
    }
    stored = {name: np.array(a, order="C") for name, a in arrays.items()}
    data: bytes = serialized(stored, {"lockstep": json.dumps(header)})
    return data


def storable(array: Any) -> bool:
    """Tell whether safetensors can hold something; a backend may answer anything."""
    return isinstance(array, np.ndarray) and array.dtype.newbyteorder("=") in STORABLE


def unpack(data: bytes) -> SavedCase:
    """The case in a file's bytes. Raises InvalidCase, whatever they are, in time and memory for them."""
    try:
        if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
            raise ValueError("its header is too long")
        tensors = deserialize(data)  # type: ignore[no-untyped-call]
        header = header_of(data)
        return saved_case(header, {name: array_of(name, tensor) for name, tensor in tensors})
    except (ValueError, SafetensorError) as error:
        raise InvalidCase(in_one_line(error)) from None


def header_of(data: bytes) -> dict[str, Any]:
    """The metadata's text, its fields and their types checked."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["lockstep"])
    except (KeyError, TypeError):
        raise ValueError("its metadata have no text 'lockstep'") from None
    except RecursionError:
        raise ValueError("the JSON of its metadata is nested too deeply") from None
    if not isinstance(header, dict) or header.keys() - FURTHER.keys() != FIELDS.keys():
        raise ValueError(
            f"its metadata need exactly the fields {', '.join(FIELDS)}, and may have {', '.join(FURTHER)}"
        )
    for name, types in (FIELDS | FURTHER).items():
        if name in header and type(header[name]) not in types:
            raise ValueError(f"{name} in its metadata is a {type(header[name]).__name__}")
    if header["format"] != FORMAT:
        raise ValueError(f"it has format {header['format']}, and this version reads {FORMAT}")
    for name in ("layouts", "versions"):
        if any(type(value) is not str for value in header[name].values()):
            raise ValueError(f"{name} in its metadata has values that are no texts")
    return header


def array_of(name: str, tensor: Mapping[str, Any]) -> Array:
    """An array as safetensors gives it: {"dtype": "F32", "shape": [2, 3], "data": ...}."""
    code, shape, content = tensor["dtype"], tensor["shape"], tensor["data"]
    if code not in DTYPES:
        raise ValueError(f"array {name!r} has dtype {code}, needs one of {', '.join(DTYPES)}")
    if 0 in shape and max(shape) > LONGEST_EMPTY_AXIS:
        raise ValueError(f"array {name!r} is empty and has shape {shape}")
    if code == "BOOL" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise ValueError(f"array {name!r} holds bools that are neither 0 nor 1")
    return np.frombuffer(content, DTYPES[code]).reshape(shape)


def saved_case(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> SavedCase:
    """The case made of checked fields and any arrays. Raises ValueError where they do not fit together."""
    parts: dict[str, dict[str, Array]] = {name: {} for name in ("observed", "expected", "bound")}
    given: dict[str, Array] = {}
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = array
        else:
            given[name] = array
    need_pairs(parts["expected"], parts["bound"])
    for name, layout in header["layouts"].items():
        if name not in given or layout not in LAYOUTS or not given[name].ndim:
            raise ValueError(f"its layouts have {name!r}: {layout!r}")
        given[name] = with_layout(given[name], layout)
    cotangents = None
    if header["gradients"]:
        cotangents = Cotangents(*(given.pop(f"cotangents.{name}", None) for name in Cotangents._fields))
    case = case_of(header, given)
    if cotangents is not None:
        given_or_zeros(case, cotangents)  # raises where they do not fit
    known: dict[str, Any] = {**parts, **{name: header[name] for name in (*TEXTS, "versions")}}
    return SavedCase(case, cotangents, **known)


def case_of(header: Mapping[str, Any], given: Mapping[str, Array]) -> Case:
    """The case of checked fields and arrays, each of which must be one of a case's. Raises ValueError."""
    count = sum(name.startswith("more_weights[") and name.endswith(".U") for name in given)
    cells = ("", *(f"more_weights[{k}]." for k in range(count)))
    first, *more = (weights_of(given, cell) for cell in cells)
    if "inputs" not in given:
        raise ValueError("it has no array 'inputs'")
    names = ("inputs", "initial_state", "initial_cell_state", "lengths", "mask")
    known = {*names, *(f"{cell}{name}" for cell in cells for name in Weights._fields)}
    if strange := [name for name in given if name not in known]:
        raise ValueError(f"it has the array {strange[0]!r}, which is none of a case's")
    others: dict[str, Any] = {name: given[name] for name in names if name in given}
    options = {name: header[name] for name in (*OPTIONS, *FURTHER) if name in header}
    if "clip" in options:  # other languages write 1 for 1.0
        options["clip"] = float(options["clip"])
    case = Case(**first._asdict(), **others, **options, more_weights=tuple(more))
    if case.dtype.name != header["dtype"]:
        raise ValueError(f"its arrays are {case.dtype}, its metadata say {header['dtype']!r}")
    return case


def weights_of(given: Mapping[str, Array], prefix: str) -> Weights:
    """The weights of one cell, whose arrays have this prefix. Raises ValueError where there are none."""
    for name in ("W", "U"):
        if f"{prefix}{name}" not in given:
            raise ValueError(f"it has no array '{prefix}{name}'")
    return Weights(*(given.get(f"{prefix}{name}") for name in Weights._fields))


def need_pairs(expected: Mapping[str, Array], bound: Mapping[str, Array]) -> None:
    """Raise a ValueError unless there is a bound for everything expected, float64 and of its shape."""
    for name in expected.keys() | bound.keys():
        pair = [form(part[name]) if name in part else "missing" for part in (expected, bound)]
        if pair[0] != pair[1] or not pair[0].startswith("float64"):
            raise ValueError(f"'expected.{name}' is {pair[0]} and 'bound.{name}' {pair[1]}, needs float64")
