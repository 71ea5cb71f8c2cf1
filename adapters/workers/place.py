"""The place where a backend runs: NAME, NAME@PYTHON, NAME@ssh:HOST:PYTHON or NAME@socket:HOST:PORT.

Wherever that is, it is reached by a command whose standard input and output are those of a Python there.
"""

import base64
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rnn_lockstep.adapters.backends.registry import NotMade, UnknownBackend

GUARD = Path(__file__).with_name("guard.py")
CONNECT = Path(__file__).with_name("connect.py")
# A password, or whether a host is the right one, is not asked for: nobody could answer.
SSH = "ssh -T -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ControlMaster=no"
# What it was told of another Python would have this one's code imported there.
WITHOUT_PATHS = ("env", "-u", "PYTHONPATH", "-u", "PYTHONHOME")
# The next two run under any Python, of however old a version.
NEW_ENOUGH = (
    "import sys; sys.version_info < (3, 11) and "
    "sys.exit('needs Python 3.11 or newer, and this is ' + sys.version.split()[0]); "
)
GREETING = "a Python for rnn-lockstep:"
GREET = f"{NEW_ENOUGH}sys.stdout.write('{GREETING}'); sys.stdout.flush(); exec(eval(sys.stdin.readline()))"


@dataclass(frozen=True)
class Place:
    """The interpreter that runs a backend, and the host where it is not this one.

    python: its path; empty for this interpreter, and for that of a socket server.
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
        """Tell whether it is on the machine that asks, and sees the same files."""
        return not self.host and not self.socket

    def command(self, output: Path) -> list[str]:
        """The command that starts a Python there, which says `GREETING` and then runs the line it is sent.

        output: the named pipe for what is printed.
        """
        isolated = [sys.executable, "-I", "-S"]
        greeting = ["-u", "-c", GREET]
        if self.host:
            there = shlex.join([*guarded(self.python), self.python, *greeting])
            asking = [*shlex.split(f"{SSH} {self.host}"), there]
        elif self.socket:
            asking = [*isolated, str(CONNECT), self.socket, *guarded("{python}"), "{python}", *greeting]
        elif self.python:
            asking = [*WITHOUT_PATHS, self.python, *greeting]
        else:
            asking = [sys.executable, *greeting]
        return [*isolated, str(GUARD), str(output), *asking]


def guarded(python: str) -> list[str]:
    """The beginning of a command on another host that runs the rest of it under a guard."""
    text = base64.b64encode(GUARD.read_bytes()).decode()  # which means the same to any shell
    return [python, "-I", "-S", "-c", f'{NEW_ENOUGH}import base64; exec(base64.b64decode("{text}"))', "-"]


def place_of(name: str) -> tuple[str, Place]:
    """Split the name of a backend from its place.

    Raises UnknownBackend where that is none, and NotMade where there is no such Python.
    """
    backend, at, place = name.partition("@")
    if not at:
        return name, Place()
    kind, _, rest = place.partition(":")
    if kind == "ssh":
        host, _, python = rest.rpartition(":")
        if not (host.strip() and python):
            raise UnknownBackend(f"backend {name}: needs NAME@ssh:[USER@]HOST:/path/to/python")
        return backend, Place(python.removeprefix("~/"), host=host)
    if kind == "socket":
        host, _, port = rest.rpartition(":")
        if not (host and port.isdecimal()):
            raise UnknownBackend(f"backend {name}: needs NAME@socket:HOST:PORT")
        return backend, Place(socket=rest)
    if not place:
        raise UnknownBackend(f"backend {name}: needs NAME@/path/to/python")
    python = shutil.which(os.path.expanduser(place)) or ""
    if not python:
        raise NotMade(f"backend {name} cannot be made: {place} is no program that can be run")
    return backend, Place(str(Path.cwd() / python))
