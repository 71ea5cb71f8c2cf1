"""The guard of a backend's process: a script that starts it and, when it ends, ends all that it has started.

    python -I -S guard.py OUTPUT COMMAND...

OUTPUT is a named pipe, to which the command's standard error goes, or - for the guard's own, on another host.
Standard input and output are the command's. The command is killed when the guard is told so, by SIGTERM, and
when whoever started the guard is gone, which the hang-up of standard input tells. What it has forked is
killed as soon as it has ended itself; on Linux also what has left its session. The guard ends as the command
did; on another host with 128 and the signal's number, as shells do, since ssh tells of no signals.
It is two processes, one for the command and one for the other: the command may stop or kill its parent.

It imports the standard library alone: it runs before anything of ours is there to import.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

# Numbers of Linux's prctl, from its <linux/prctl.h>.
PARENT_DEATH_SIGNAL = 1
CHILD_SUBREAPER = 36
# What tells of a hang-up is for pipes POLLHUP, which is always asked for, and for sockets this, on Linux.
HANG_UP = getattr(select, "POLLRDHUP", 0)

PATIENCE = 1.0  # seconds that the inner guard may take to end everything


def prctl(option: int, value: int) -> None:
    """Ask the kernel for something that only Linux has; elsewhere it is done without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def in_command() -> None:
    """Make the process that becomes the command die with its guard, however that dies."""
    prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)


def children() -> Iterator[int]:
    """The numbers of the processes whose parent is this one, as Linux lists them; none elsewhere."""
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                    yield int(name)


def reaped() -> dict[int, int]:
    """The wait statuses of the children that have ended, by their numbers."""
    found = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found[ended[0]] = ended[1]
    return found


def kill_all(group: int) -> dict[int, int]:
    """Kill every process that is left; return the wait statuses of those that were our children.

    Who loses its parent becomes a child of ours, so the rounds end when there is none.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    found = reaped()
    while some := list(children()):
        for pid in some:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        select.select((), (), (), 0.001)
        found |= reaped()
    return found


def end_as(status: int, by_signal: bool) -> None:
    """End this process as another did, by the same signal or with the same exit status."""
    if os.WIFSIGNALED(status) and not by_signal:
        os._exit(128 + os.WTERMSIG(status))
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def watch(pid: int, by_signal: bool = True, patience: float = 0.0) -> None:
    """Wait until a child has ended or must be; then end, as it did, with all that it has started.

    by_signal: whether by the same signal.
    patience: seconds in which it may end by itself, when it is told so by SIGTERM.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    waiting = select.poll()
    waiting.register(0, HANG_UP)  # nothing is read from it: the command does that
    waiting.register(woken, select.POLLIN)
    statuses = reaped()
    while pid not in statuses:
        events = dict(waiting.poll())
        told = os.read(woken, 100) if woken in events else b""
        statuses |= reaped()
        if 0 in events or signal.SIGTERM in told:
            break
    if patience and pid not in statuses:
        os.kill(pid, signal.SIGTERM)
        select.select([woken], (), (), patience)
        statuses |= reaped()
    statuses |= kill_all(pid)
    end_as(statuses.get(pid, 0), by_signal)


def main(output: str, *command: str) -> None:
    """Start the command, guarded twice, since it may stop or kill its parent."""
    with contextlib.suppress(PermissionError):  # sshd has done it
        os.setsid()  # so that Ctrl-C goes to the run alone, which ends this
    is_here = output != "-"
    errors = os.open(output, os.O_WRONLY) if is_here else 2
    prctl(CHILD_SUBREAPER, 1)
    if inner := os.fork():
        os.dup2(errors, 1)  # so that the end of the command's output is seen when the command closes it
        watch(inner, is_here, PATIENCE)
    os.setpgid(0, 0)
    in_command()
    prctl(CHILD_SUBREAPER, 1)  # which is not inherited
    try:
        started = subprocess.Popen(command, stderr=errors, preexec_fn=in_command, process_group=0)
    except OSError as error:
        os.write(errors, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)
    os.dup2(errors, 1)
    watch(started.pid)


if __name__ == "__main__":
    main(*sys.argv[1:])
