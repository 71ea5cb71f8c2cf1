"""Arrays as Python source that makes the same arrays again, bit for bit."""

import base64
import textwrap
import zlib
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.array_memory import layout_of
from rnn_lockstep.reference.oracle.validation import Array

WIDTH = 110  # columns
HARD_SPACE = "\0"  # where no line may end
# What `packed` calls.
UNPACK = """\
def unpack(text, *shape):
    return np.frombuffer(bytearray(zlib.decompress(base64.b64decode(text))), np.{}).reshape(shape)"""


def stored(dtype: np.dtype[np.generic]) -> str:
    """The dtype in which NumPy by itself holds such numbers: it has no bfloat16, float32 has them all."""
    return "float32" if dtype.name == "bfloat16" else dtype.name


def literal(array: Array) -> str:
    """`np.array([...], dtype=...)`, or `np.zeros`, in one line, for `wrapped`."""
    dtype = stored(array.dtype)
    if not (array.any() or np.signbit(array).any()):
        return f"np.zeros({array.shape}, dtype=np.{dtype})"
    return f"np.array({nested(array.astype(dtype))}, dtype=np.{dtype})"


def nested(array: Array) -> str:
    """Numbers in brackets; a row that fits a line is to stay in one."""
    if not array.ndim:
        return number(array[()])
    text = f"[{', '.join(map(nested, array))}]"
    return text.replace(" ", HARD_SPACE) if array.ndim == 1 and len(text) < WIDTH - 30 else text


def number(x: Any) -> str:
    """The shortest decimal that is read as the same number."""
    if not np.isfinite(x):
        return "np.nan" if np.isnan(x) else "np.inf" if x > 0 else "-np.inf"
    short = str(x)  # it is read as a float64 and rounded once more
    return short if type(x)(float(short)) == x else repr(float(x))


def wrapped(text: str) -> str:
    """The source with its lines that hold a literal wrapped, between rows where that is possible."""
    return "\n".join(map(wrapped_line, text.split("\n"))).replace(HARD_SPACE, " ")


def wrapped_line(line: str) -> str:
    code, mark, comment = line.partition("  # ")
    if "np.array([" in code and len(line) > WIDTH:
        indent = " " * (len(code) - len(code.lstrip()) + 4)
        code = textwrap.fill(
            code.replace(" = ", f"{HARD_SPACE}={HARD_SPACE}"),
            WIDTH,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return code + mark + comment


def packed(array: Array) -> str:
    """`unpack("...", *shape)`, compressed, for `UNPACK`."""
    raw = np.ascontiguousarray(array, stored(array.dtype)).tobytes()
    text = base64.b64encode(zlib.compress(raw, 9)).decode()
    return f'unpack("{text}", {", ".join(map(str, array.shape))})'


def with_strides(text: str, array: Array) -> str:
    """The source with what lays its array out in memory as `array` is, as nearly as `layout_of` tells."""
    if (layout := layout_of(array)) == "fortran":
        return f"np.asfortranarray({text})"
    return f"np.repeat({text}, 2, axis=-1)[..., ::2]" if layout == "strided" else text
