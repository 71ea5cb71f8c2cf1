"""Cases, answers and facts as plain bytes, which cross from one process to another without a pickle.

A message is a line of JSON, in which arrays have their dtype, shape and memory layout, and behind it their
bytes, one after the other.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from itertools import islice
from typing import Any

import ml_dtypes  # noqa: F401  # NumPy knows bfloat16 by its name then
import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.one_line import text_of
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace, Weights
from rnn_lockstep.reference.oracle.validation import Array

LARGEST = 2**31 - 2**20  # bytes of the arrays in a message of execnet's, less some for the JSON
MOST = 1000  # elements of a tuple or a dict, and characters of a text
DEEPEST = 3  # tuples and dicts in one another
MANY = 10_000  # values in a message, after which no tuple or dict is looked into
NUMBERS = "?biufc"  # kinds of dtypes whose bytes mean the same in another process

CASE = tuple(field.name for field in fields(Case))
TRACE = tuple(field.name for field in fields(Trace))
FACTS = tuple(field.name for field in fields(Facts))


class TooLarge(ValueError):
    """A case has more bytes than a message can have. The text is one line."""


def message_of(plain: Any, data: bytes) -> bytes:
    """Make a message of what JSON can hold, and the bytes of the arrays in it."""
    return json.dumps(plain).encode() + b"\n" + data


def opened(message: bytes) -> tuple[Any, bytes]:
    """What JSON holds in a message, and the bytes of the arrays in it."""
    text, _, data = message.partition(b"\n")
    return json.loads(text), data


def packed_case(case: Case, cotangents: Cotangents | None) -> bytes:
    """Make a message of a case, its memory layouts among it, and of cotangents. Raises TooLarge."""
    given = [*(getattr(case, name) for name in CASE), *(cotangents or ())]
    plain, data = Packing(LARGEST, layouts=True).packed(given)
    if len(data) > LARGEST:
        raise TooLarge(f"the case has {len(data)} bytes, and a message at most {LARGEST}")
    return message_of(plain, data)


def unpacked_case(message: bytes) -> tuple[Case, Cotangents | None]:
    """Make the case and the cotangents again, their arrays laid out in memory as they were.

    They are not validated once more, which would take as long as all the rest.
    """
    given = unpacked(*opened(message))
    named, loss = dict(zip(CASE, given, strict=False)), given[len(CASE) :]
    named["more_weights"] = tuple(Weights(*weights) for weights in named["more_weights"])
    case = object.__new__(Case)
    vars(case).update(named)
    return case, Cotangents(*loss) if loss else None


def packed_answer(answer: Any, most: int) -> tuple[list[Any], bytes]:
    """Make what JSON can hold of a backend's answer, whatever that is, and the bytes of its arrays.

    most: bytes of an array from which on its dtype and shape are sent without them.
    """
    is_trace = isinstance(answer, Trace)
    found = {name: getattr(answer, name, None) for name in TRACE} if is_trace else answer
    return Packing(most).packed([is_trace, found])


def unpacked_answer(plain: list[Any], data: bytes) -> Any:
    """Make an answer again. What was no array, tuple, dict or number is of an empty type of its name."""
    is_trace, answer = unpacked(plain, data)
    return Trace(**answer) if is_trace else answer


def packed_facts(facts: Facts) -> str:
    """Make JSON of facts."""
    named = {name: getattr(facts, name) for name in FACTS}
    return json.dumps(named, default=dict)


def unpacked_facts(text: str) -> Facts:
    """Make facts again."""
    named: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in json.loads(text).items()
    }
    for by_dtype in named["functions"].values():
        by_dtype |= {dtype: FunctionError(*error) for dtype, error in by_dtype.items()}
    return Facts(**named)


class Packing:
    """The making of one message.

    most: bytes that an array may have.  layouts: whether their strides travel too, and if one may write.
    """

    def __init__(self, most: int, layouts: bool = False) -> None:
        self.most, self.layouts = most, layouts
        self.parts: list[bytes] = []
        self.size = self.count = 0

    def packed(self, values: list[Any]) -> tuple[list[Any], bytes]:
        """What JSON can hold of these values, and the bytes of their arrays."""
        plain = [self.plain(value, 0) for value in values]
        return plain, b"".join(self.parts)

    def plain(self, value: Any, depth: int) -> Any:
        """What JSON can hold of a value: itself, or a list of its kind and what makes it again."""
        self.count += 1
        if type(value) in (bool, int, float, type(None)) or (type(value) is str and len(value) <= MOST):
            return value
        if type(value) is np.ndarray:
            return self.array(value)
        if depth == DEEPEST or self.count > MANY:
            return ["other", type(value).__name__[:MOST]]
        if isinstance(value, tuple) and len(value) <= MOST:
            return ["tuple", *(self.plain(each, depth + 1) for each in islice(value, MOST))]
        if isinstance(value, Mapping) and len(value) <= MOST:
            some = islice(value.items(), MOST)  # whatever its length is said to be
            return {text_of(name)[:MOST]: self.plain(each, depth + 1) for name, each in some}
        return ["other", type(value).__name__[:MOST]]

    def array(self, array: Array) -> Any:
        """The form of an array, and where its bytes are; no bytes where they are too many or mean nothing."""
        dtype = array.dtype.str if array.dtype.kind in NUMBERS else array.dtype.name
        meaningful = array.dtype.kind in NUMBERS or dtype == "bfloat16"
        if not meaningful or array.nbytes > self.most:
            return ["form", dtype if meaningful else "O", array.shape]
        offset = self.size
        self.parts.append(array.tobytes())
        self.size += array.nbytes
        layout = (array.strides, array.flags.writeable) if self.layouts else ()
        return ["array", offset, dtype, array.shape, *layout]


def unpacked(plain: list[Any], data: bytes) -> list[Any]:
    """Make values again from what `Packing.packed` has made of them."""
    return [made(each, data) for each in plain]


def made(plain: Any, data: bytes) -> Any:
    """Make a value again from what `Packing.plain` has made of it."""
    if isinstance(plain, dict):
        return {name: made(each, data) for name, each in plain.items()}
    if not isinstance(plain, list):
        return plain
    kind, *content = plain
    if kind == "tuple":
        return tuple(made(each, data) for each in content)
    if kind == "array":
        return made_array(data, *content)
    if kind == "form":  # zeros that take no memory
        return np.broadcast_to(np.zeros((), content[0]), content[1])
    return type(content[0], (), {})()


def made_array(
    data: bytes, offset: int, dtype: str, shape: list[int], strides: Any = None, writeable: bool = True
) -> Array:
    """Make an array again, with these strides in bytes."""
    count = math.prod(shape)
    sent = np.frombuffer(data, dtype, count, offset).reshape(shape) if count else np.empty(shape, dtype)
    if strides is None or sent.strides == tuple(strides) or not count:
        array = sent.copy()
    else:
        reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
        low, high = sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach) + sent.itemsize
        buffer = np.full(high - low, 7, np.uint8)  # what lies between must not matter
        array = np.ndarray(shape, dtype, buffer=buffer.data, offset=-low, strides=strides)
        array[...] = sent
    array.flags.writeable = writeable
    return array
