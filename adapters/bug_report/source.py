"""Arrays as Python source that makes the same arrays again, bit for bit."""

import base64
import re
import textwrap
import zlib

import numpy as np

from rnn_lockstep.adapters.backends.array_memory import layout_of
from rnn_lockstep.reference.oracle.validation import Array

WIDTH = 110  # columns
HARD_SPACE = "\0"  # where no line may end
# The function that `packed` calls.
UNPACK = """\
def unpack(text, *shape):
    return np.frombuffer(bytearray(zlib.decompress(base64.b64decode(text))), np.{}).reshape(shape)"""


def numpy_dtype(dtype: np.dtype[np.generic]) -> str:
    """Name the dtype in which NumPy by itself holds such numbers: float32 has all those of bfloat16."""
    return "float32" if dtype.name == "bfloat16" else dtype.name


def literal(array: Array) -> str:
    """Write `np.array([...], dtype=...)`, or `np.zeros`, in one line, for `wrapped`."""
    dtype = numpy_dtype(array.dtype)
    array = array.astype(dtype)
    if not (array.any() or np.signbit(array).any()):
        return f"np.zeros({array.shape}, dtype=np.{dtype})"
    short = array.astype(str)
    if not np.array_equal(short.astype(float).astype(dtype), array, equal_nan=True):  # Python rounds first
        short = array.astype(float).astype(str)
    numbers = re.sub("nan|inf", r"np.\g<0>", str(short.tolist()).replace("'", ""))
    whole_rows = re.sub(r"\[[^][]{,70}]", lambda row: row[0].replace(" ", HARD_SPACE), numbers)
    return f"np.array({whole_rows}, dtype=np.{dtype})"


def packed(array: Array) -> str:
    """Write `unpack("...", *shape)` with the array compressed, for `UNPACK`."""
    raw = np.ascontiguousarray(array, numpy_dtype(array.dtype)).tobytes()
    text = base64.b64encode(zlib.compress(raw, 9)).decode()
    return f'unpack("{text}", {", ".join(map(str, array.shape))})'


def with_strides(text: str, array: Array) -> str:
    """Add what lays the source's array out in memory as `array` is, as nearly as `layout_of` tells."""
    if (layout := layout_of(array)) == "fortran":
        return f"np.asfortranarray({text})"
    return f"np.repeat({text}, 2, axis=-1)[..., ::2]" if layout == "strided" else text


def wrapped(text: str) -> str:
    """Wrap the lines that hold a literal, between its rows where that is possible, and leave comments."""
    lines = text.split("\n")
    for k, line in enumerate(lines):
        code, mark, comment = line.partition("  # ")
        if "np.array([" in code and len(line) > WIDTH:
            indent = " " * (len(code) - len(code.lstrip()) + 4)
            code = code.replace(" = ", f"{HARD_SPACE}={HARD_SPACE}")
            rows = textwrap.wrap(
                code, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
            lines[k] = "\n".join(rows) + mark + comment
    return "\n".join(lines).replace(HARD_SPACE, " ")
