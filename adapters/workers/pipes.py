"""Two named pipes between two processes of one host, used as a channel of execnet's is.

execnet hands each message from thread to thread, on both sides, which takes several times as long.
"""

import contextlib
import os
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp

QUESTIONS, ANSWERS = "questions", "answers"  # the names of the pipes in their folder


def make_pipes(folder: str) -> str:
    """Make two pipes in a folder of their own in this one, and return its path."""
    made = mkdtemp(dir=folder)
    for name in (QUESTIONS, ANSWERS):
        os.mkfifo(Path(made, name))
    return made


class Pipes:
    """One side of the two. Either side is made, and then either is connected."""

    TimeoutError = TimeoutError  # what `receive` raises, under the name that a channel has for it

    def __init__(self, folder: str, read: str, write: str) -> None:
        """Open the pipe to read from. read, write: the names of the pipes."""
        self._ends = [Connection(os.open(Path(folder, read), os.O_RDONLY | os.O_NONBLOCK), writable=False)]
        self._to_write = Path(folder, write)

    def connect(self) -> None:
        """Open the pipe to write to. Raises OSError where the other side is not there to read."""
        self._ends.append(Connection(os.open(self._to_write, os.O_WRONLY | os.O_NONBLOCK), readable=False))
        for end in self._ends:
            os.set_blocking(end.fileno(), True)

    def send(self, message: bytes) -> None:
        """Send a message. Raises OSError where nobody reads."""
        self._ends[1].send_bytes(message)

    def receive(self, limit: float | None = None) -> bytes:
        """Return the next message. limit: seconds, then TimeoutError. Raises EOFError when none can come."""
        if not self._ends[0].poll(limit):
            raise TimeoutError
        return self._ends[0].recv_bytes()

    def close(self) -> None:
        """Close this side."""
        for end in self._ends:
            with contextlib.suppress(OSError):  # whoever has closed every file has closed it too
                end.close()
