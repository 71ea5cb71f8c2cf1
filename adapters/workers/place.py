"""The place where a backend runs: NAME, NAME@PYTHON, NAME@ssh:HOST:PYTHON or NAME@socket:HOST:PORT."""

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rnn_lockstep.adapters.backends.registry import UnknownBackend

GUARD = Path(__file__).with_name("guard.py")
# A password or the question whether a host is the right one could not be answered.
SSH = "-o BatchMode=yes"


@dataclass(frozen=True)
class Place:
    """The interpreter that runs a backend, and the host where it is not this one.

    python: its path; empty for this interpreter, and where a socket server is asked.
    host: [USER@]HOST for ssh, which may have options of ssh before it.  socket: HOST:PORT.
    """

    python: str = ""
    host: str = ""
    socket: str = ""

    @property
    def is_this_interpreter(self) -> bool:
        """Tell whether it is the interpreter that asks, which has this project's code."""
        return self == Place()

    @property
    def is_this_host(self) -> bool:
        """Tell whether it is the machine that asks, which a guard can be started on."""
        return not self.host and not self.socket

    def spec(self, output: Path) -> str:
        """The place in execnet's words. output: the named pipe for what is printed."""
        if self.host:
            return f"ssh={SSH} {self.host}//python={self.python}"
        if self.socket:
            return f"socket={self.socket}"
        command = [sys.executable, "-I", "-S", str(GUARD), str(output), self.python or sys.executable]
        return f"popen//python={shlex.join(map(os.path.normpath, command))}"


def place_of(name: str) -> tuple[str, Place]:
    """Split the name of a backend from its place. Raises UnknownBackend where that is none."""
    backend, at, place = name.partition("@")
    if not at:
        return name, Place()
    kind, _, rest = place.partition(":")
    if kind == "ssh":
        host, _, python = rest.rpartition(":")
        if not (host and python):
            raise UnknownBackend(f"backend {name}: needs NAME@ssh:USER@HOST:/path/to/python")
        return backend, Place(python, host=host)
    if kind == "socket":
        if not rest.rpartition(":")[2].isdigit():
            raise UnknownBackend(f"backend {name}: needs NAME@socket:HOST:PORT")
        return backend, Place(socket=rest)
    if shutil.which(place) is None:
        raise UnknownBackend(f"backend {name}: {place} is no Python that can be run")
    return backend, Place(os.path.abspath(shutil.which(place) or place))
