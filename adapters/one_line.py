"""Texts from anywhere, and errors, made printable and short, whatever they are."""

import re

LONGEST = 300  # characters of a line
MOST = 20_000  # characters of several lines
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # for a terminal, which Keras puts into its errors


def in_one_line(error: BaseException) -> str:
    """The message of an error, short and printable; the name of its type where it has none."""
    reason = error.strerror if isinstance(error, OSError) else None
    return printable(error if reason is None else reason) or printable(type(error).__name__)


def with_type(error: BaseException) -> str:
    """The name of an error's type and its message, short and printable; of a group those of its parts too."""
    name, told = printable(type(error).__name__), in_one_line(error)
    told = name if told == name else f"{name}: {told}"
    parts = [with_type(part) for part in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    return printable(f"{told}: {'; '.join(parts)}") if parts else told


def printable(value: object) -> str:
    """The text of anything as one short line of ASCII; other characters are escaped, or question marks."""
    text = text_of(value)
    begins = text[: 4 * LONGEST]  # a text may be huge; no more of it is looked at
    line = shown(" ".join(COLOURS.sub("", begins).split()).encode("ascii", "backslashreplace").decode())
    return line if len(line) <= LONGEST and begins == text else f"{line[:LONGEST]}..."


def printable_lines(value: object) -> str:
    """The text of anything as some lines; what would not be shown is question marks."""
    text = text_of(value)
    lines = [shown(line) for line in text[:MOST].expandtabs().splitlines()]
    return "\n".join(lines if len(text) <= MOST else [*lines, "..."])


def shown(line: str) -> str:
    """A line with a question mark for each character that moves, hides or turns others."""
    return "".join(c if c.isprintable() else "?" for c in line)


def text_of(value: object) -> str:
    """The text of anything, or words that say why there is none."""
    try:
        return str.__getitem__(str(value), slice(None))  # of no class derived from str
    except (Exception, SystemExit, GeneratorExit) as error:  # of a `__str__` that is not ours
        return f"a {type(value).__name__} without a text: its __str__ raises {type(error).__name__}"
