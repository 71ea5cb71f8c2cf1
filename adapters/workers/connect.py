"""A connection to a socket server of execnet's, as a command of its own.

    python -I -S connect.py HOST:PORT COMMAND...

It has the server start the command, {python} in it being the server's own Python. Standard input and output
here are the command's; the connection is those there. It ends with the connection, and the command with it.

It imports the standard library alone: it runs before anything of ours is there to import.
"""

import os
import socket
import sys
import threading

TIMEOUT = 20  # seconds to connect
CHUNK = 2**16
LOST = 255  # the exit status, as ssh has it: how the command has ended is not told
# What the server runs: its own loop goes on at once, and the command is not in its process.
START = """
import subprocess, sys, threading
clientsock.sendall(b"1")
started = subprocess.Popen([part.replace("{{python}}", sys.executable) for part in {command}],
                           stdin=clientsock, stdout=clientsock)
clientsock.close()
threading.Thread(target=started.wait, daemon=True).start()
"""


def main(address: str, *command: str) -> None:
    """Connect, and carry what comes from either side to the other until there is an end."""
    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(repr(START.format(command=list(command))).encode() + b"\n")
        if connection.recv(1) != b"1":  # the server reads ahead until it has understood the line
            sys.exit(f"{address}: no socket server of execnet's answers")
        threading.Thread(target=send, args=(connection,), daemon=True).start()
        while chunk := connection.recv(CHUNK):
            os.write(1, chunk)
    except OSError as error:
        sys.exit(f"{address}: {error.strerror or error}")
    os._exit(LOST)


def send(connection: socket.socket) -> None:
    """Send what comes by standard input."""
    while chunk := os.read(0, CHUNK):
        connection.sendall(chunk)
    os._exit(LOST)


if __name__ == "__main__":
    main(*sys.argv[1:])
