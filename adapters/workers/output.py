"""The output of a process, read while it runs: the end of what it has printed is kept."""

import os
import select
import shutil
import sys
import threading
from pathlib import Path
from tempfile import mkdtemp

from rnn_lockstep.adapters.one_line import shown

KEPT = 2**16  # bytes
CHUNK = 2**16


class Output:
    """A named pipe, and a thread that reads it.

    path: the pipe, for the process to open.  live: whether all of it is shown as it comes.
    """

    def __init__(self, live: bool) -> None:
        self.live = live
        self.folder = mkdtemp(prefix="lockstep-")
        self.path = Path(self.folder, "output")
        os.mkfifo(self.path)
        self._reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._writing = os.open(self.path, os.O_WRONLY)  # so that it does not end with one process
        self._kept = b""
        self._lost = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._read_on, daemon=True).start()

    def take(self) -> str:
        """The text that has been printed since this was called last; of a long one the end."""
        while self._read_some():
            pass
        with self._lock:
            text, lost = self._kept.decode("utf-8", "replace"), self._lost
            self._kept, self._lost = b"", 0
        return f"({lost} bytes before)\n{text}" if lost else text

    def close(self) -> None:
        """Stop reading, and remove the pipe."""
        os.close(self._writing)  # which ends the thread, as soon as nobody else writes
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_on(self) -> None:
        """Read until nobody can write any more."""
        while self._read_some() is not None:
            select.select([self._reading], [], [])
        os.close(self._reading)

    def _read_some(self) -> int | None:
        """Read what there is, and return how many bytes; None at the end."""
        with self._lock:
            try:
                chunk = os.read(self._reading, CHUNK)
            except BlockingIOError:
                return 0
            except OSError:  # closed
                return None
            if not chunk:
                return None
            text = self._kept + chunk
            self._kept, self._lost = text[-KEPT:], self._lost + max(0, len(text) - KEPT)
        if self.live:
            lines = chunk.decode("utf-8", "replace").expandtabs().split("\n")
            sys.stderr.write("\n".join(map(shown, lines)))
            sys.stderr.flush()
        return len(chunk)
