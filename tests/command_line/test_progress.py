"""The line that says what a long test is doing: on a terminal only, and gone in the end."""

import os
import re
import subprocess
import sys

import pytest

from tests.command_line.running import ROOT, as_a_user, run_pytest

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
LONG = ("tests/parity/test_every_step.py", "-k", "test_every_step[numpy-lstm]", "--backend", "numpy")
EXAMPLES = ("--max-examples", "500")
LINE = r"\n\x1b\[K[\d,]+ of 500 cases, \d+/s, worst/bound [\d.e+-]+(, \d+ s left)?, run: [\d.]+ min left"


def on_a_terminal(*arguments):
    """Give what `pytest ARGUMENTS` writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile=ci",
        *arguments,
    ]
    environment = as_a_user(TERM="xterm")
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        written = b""
        while chunk := read(ours):
            written += chunk
    os.close(ours)
    assert run.returncode == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


def test_a_long_test_says_what_it_is_doing():
    written = on_a_terminal(*LONG, *EXAMPLES)
    lines = list(re.finditer(LINE, written))
    assert len(lines) > 1
    done = [int(re.search(r"([\d,]+) of", line[0])[1].replace(",", "")) for line in lines]
    assert done == sorted(set(done))
    after = written[lines[-1].end() :]
    assert after.index("\x1b[J") < after.index(".")  # cleared before pytest writes its dot


@pytest.mark.parametrize("run", [on_a_terminal, lambda *arguments: run_pytest(*arguments).stdout])
def test_a_file_and_a_quiet_run_have_no_such_line(run):
    quiet = ("-q", "-q") if run is on_a_terminal else ()
    written = run(*LONG, *EXAMPLES, *quiet)
    assert "cases," not in written
    assert "\x1b[J" not in written
