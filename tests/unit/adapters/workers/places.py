"""Places to run a backend at, all on this machine: an environment, a socket server, an ssh server."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = ("numpy", "scipy", "ml_dtypes")
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
ADAPTERS = """
import ctypes, os, subprocess, sys
from dataclasses import replace
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Port(NumpyAdapter):
    def run(self, case):
        print("run under", sys.prefix, "with", os.environ.get("PYTHONPATH"))
        return super().run(case)

class Dies(NumpyAdapter):
    def run(self, case):
        print("about to die", flush=True)
        ctypes.string_at(0)

class Hangs(NumpyAdapter):
    def run(self, case):
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        with open("pids", "w") as file:
            print(os.getpid(), child.pid, file=file)
        ctypes.PyDLL(None).sleep(1000)  # which holds the interpreter's lock

class Wrong(NumpyAdapter):
    facts = Facts("wrong")

    def run(self, case):
        return super().run(replace(case, U=case.U.T))
"""


def environment(folder: Path, packages: tuple[str, ...] = PACKAGES) -> Path:
    """Make an environment that has these packages and no others, and return its Python.

    They are linked to where this environment has them, with their libraries, which is much faster than pip.
    """
    venv.create(folder, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for package in packages:
        here = Path(find_spec(package).origin).parent
        for part in (here, here.with_name(f"{package}.libs")):
            if part.exists():
                (site / part.name).symlink_to(part)
    return folder / "bin" / "python"


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started(command, port, folder):
    """Run a server in a folder, from when it listens on its port."""
    log = folder / "log"
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
    try:
        for _ in range(200):
            with socket.socket() as asking:
                if server.poll() is not None or asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert server.poll() is None, log.read_text()
        yield
    finally:
        server.kill()
        server.wait()


@contextmanager
def ssh_server(folder):
    """Run an ssh server that lets this user in, and give the options and the name of its host.

    Skips the test where there is none, or none that lets anybody in.
    """
    if SSHD is None:
        pytest.skip("no sshd is installed")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # an empty folder that it needs
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nSetEnv PYTHONPATH={folder}\n"
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"Host here\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/user\n  UserKnownHostsFile {folder}/known\n"
    )
    with started([SSHD, "-D", "-e", "-f", folder / "sshd_config"], port, folder):
        asking = ["ssh", "-o", "BatchMode=yes", "-F", folder / "config", "here", "true"]
        asked = subprocess.run(asking, capture_output=True, text=True)
        if asked.returncode:
            pytest.skip(f"sshd lets nobody in: {asked.stderr} {(folder / 'log').read_text()}")
        yield f"-F {folder}/config here"
