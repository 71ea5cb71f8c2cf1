"""Texts from anywhere, and errors, as one short line of printable ASCII."""

LONGEST = 300  # characters


def in_one_line(error: BaseException) -> str:
    """The message of an error, short and printable."""
    return printable(error.strerror if isinstance(error, OSError) and error.strerror else str(error))


def printable(text: str) -> str:
    """A text as one short line of ASCII; other characters are escaped, or question marks."""
    line = " ".join(text.split()).encode("ascii", "backslashreplace").decode()
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
