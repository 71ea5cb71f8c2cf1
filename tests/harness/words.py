"""Errors of any kind in words."""

from rnn_lockstep.adapters.one_line import printable, text_of


def in_words(error: BaseException) -> str:
    """Tell an error in one printable line: its type and message, of a group those of its parts.

    An AssertionError's further lines, which pytest adds, are left out.
    """
    name, message = type(error).__name__, text_of(error)
    if isinstance(error, AssertionError):
        message = message.partition("\n")[0]
    if isinstance(error, BaseExceptionGroup):
        message = f"{message}: {'; '.join(map(in_words, error.exceptions))}"
    return printable(f"{name}: {message}" if message else name)
