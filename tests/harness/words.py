"""Errors of any kind in words."""

from rnn_lockstep.adapters.one_line import printable


def in_words(error: BaseException) -> str:
    """Tell an error in one printable line: its type and message, of a group those of its parts.

    An AssertionError's further lines, which pytest adds, are left out. An error that raises another when it
    is asked for its message is told too.
    """
    name = type(error).__name__
    try:
        message = str(error)
    except Exception:
        return f"{name}: its message cannot be shown"
    if isinstance(error, AssertionError):
        message = message.partition("\n")[0]
    if isinstance(error, BaseExceptionGroup):
        message = f"{message}: {'; '.join(map(in_words, error.exceptions))}"
    return printable(f"{name}: {message}" if message else name)
