"""One process of a backend: started, asked within a limit of time, ended."""

import atexit
import contextlib
import inspect
import os
import signal
import sys
import threading
import time
from typing import Any, ClassVar

import execnet
from execnet.gateway_base import get_execmodel
from execnet.gateway_bootstrap import bootstrap_exec
from execnet.gateway_io import Popen2IOMaster

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.workers import brought
from rnn_lockstep.adapters.workers.output import Output
from rnn_lockstep.adapters.workers.pipes import ANSWERS, QUESTIONS, Pipes, make_pipes
from rnn_lockstep.adapters.workers.place import GREETING, Place
from rnn_lockstep.adapters.workers.sources import needs, sources

HERE = "from rnn_lockstep.adapters.workers.serve import serve\nserve(channel)"
ELSEWHERE = f"{inspect.getsource(brought)}\nserve_brought(channel)"
START = 60  # seconds that an interpreter may take to say that it is there
PIPE = 2**15  # bytes that are sent though nobody reads them
SLICE = 0.5  # seconds of waiting after which a signal is noticed that another thread has been given
END = 5  # seconds in which a guard has ended everything
MOST_SAID = 2**12  # bytes that may come before a Python greets: a shell's or a host's own greetings
MOST_TOLD = 200  # characters of what is said that are told


class Ended(Exception):
    """The process is no more. The message says how it ended: "ended with SIGSEGV"."""


class TimeOver(Exception):
    """The process did not answer in time."""


class NoPython(Exception):
    """What was started is no Python that can be used. The message says what it said."""


class Process:
    """A process that has made a backend, or is just making it.

    interrupted: someone wants the run to end, and no answer is to be waited for. Python drops an exception
    that is raised in a callback of its garbage collector, so that of Ctrl-C may be lost.
    """

    interrupted: ClassVar[bool] = False

    def __init__(self, name: str, place: Place, output: Output) -> None:
        """Start it. Raises NoPython where none answers, or Ended."""
        self.place = place
        gateway = self._started(place, output)
        self.popen = gateway._io.popen
        atexit.register(self.end)
        folder = make_pipes(output.folder) if place.is_this_host else ""
        self.pipes = Pipes(folder, ANSWERS, QUESTIONS) if folder else None
        late = threading.Timer(START, self.end)
        late.start()
        try:
            self.channel = gateway.remote_exec(HERE if place.is_this_interpreter else ELSEWHERE)
            path = sys.path if place.is_this_interpreter else [os.getcwd()] if place.is_this_host else []
            with contextlib.suppress(OSError):  # what it says before it stops listening is for `made` to read
                if not place.is_this_interpreter:
                    self.channel.send([name, sources(), needs(name)])
                self.channel.send([name, path, folder])
        except OSError:
            how = self._status_in_words()
            self.end()
            raise Ended(how) from None
        finally:
            late.cancel()

    def _started(self, place: Place, output: Output) -> Any:
        """Start the interpreter, in a thread, since whatever is started may never say a word."""
        io = Popen2IOMaster(place.command(output.path), get_execmodel("thread"))
        if (
            not place.is_this_host
        ):  # execnet would hang up when the output ends, before ssh tells how it ended
            io.close_write = lambda: None
        made: list[Any] = []
        said = bytearray()

        def start() -> None:
            with contextlib.suppress(Exception):
                if greeted(io, said):
                    spec = execnet.XSpec("popen//id=worker//execmodel=thread")
                    bootstrap_exec(io, spec)
                    made.append(execnet.Gateway(io, spec))

        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        try:
            thread.join(START)
            if made and not thread.is_alive():
                return made[0]
            how = f"nothing came within {START} s" if thread.is_alive() else "it ended without a word"
        finally:
            if not made:
                end(io.popen)
        lines = [*said.decode("utf-8", "replace").splitlines(), *output.take().splitlines()]
        last = [line[:MOST_TOLD] for line in lines if line.strip()][-1:]  # of a traceback, what it says
        raise NoPython(f"no usable Python there: {printable(last[0] if last else how)}")

    def made(self, limit: float) -> list[Any]:
        """Return what the process says of the backend that it makes. limit: seconds.

        Raises Ended or TimeOver.
        """
        said = self._received(self.channel, limit)
        if self.pipes and said[0] == "made":
            try:
                self.pipes.connect()
            except OSError:
                raise Ended(self._end_in_words()) from None
        return said  # type: ignore[no-any-return]

    def ask(self, message: bytes, limit: float) -> bytes:
        """Send a message and return the answer to it. limit: seconds. Raises Ended or TimeOver."""
        start = time.perf_counter()
        late = threading.Timer(limit, self.end)  # what nobody reads would be waited for without an end
        if len(message) > PIPE:
            late.start()
        line = self.pipes or self.channel
        try:
            line.send(message)
        except OSError:
            if time.perf_counter() - start >= limit:
                raise TimeOver from None
            raise Ended(self._end_in_words()) from None
        finally:
            late.cancel()
        return self._received(line, limit)  # type: ignore[no-any-return]

    def _received(self, line: Any, limit: float) -> Any:
        """Return what comes next by a channel or pipes. limit: seconds.

        Raises Ended or TimeOver, or KeyboardInterrupt in a run that is interrupted.
        """
        until = time.perf_counter() + limit
        try:
            while (left := until - time.perf_counter()) > 0:
                with contextlib.suppress(line.TimeoutError):
                    return line.receive(min(left, SLICE))
                if Process.interrupted:
                    raise KeyboardInterrupt
            raise TimeOver
        except (EOFError, OSError, self.channel.RemoteError):
            raise Ended(self._end_in_words()) from None

    def _end_in_words(self) -> str:
        """How the process ended. An exception outside the adapter is an end too."""
        try:
            self.channel.waitclose(END)
        except self.channel.RemoteError as error:
            return f"ended: {printable(str(error).strip().splitlines()[-1])}"
        except (EOFError, OSError):
            pass
        return self._status_in_words()

    def _status_in_words(self) -> str:
        """How the process ended, as its exit status tells it."""
        with contextlib.suppress(Exception):
            status = self.popen.wait(END)
            if status > 128 and not self.place.is_this_host:  # a signal, as ssh tells it
                status = 128 - status
            if status < 0:
                return f"ended with {signal.Signals(-status).name}"
            return f"exited with status {status}"
        return "is gone"

    def end(self) -> None:
        """End it with all that it has started, at once. It may have ended before, or been ended."""
        atexit.unregister(self.end)
        end(self.popen)
        if self.pipes:
            self.pipes.close()


def greeted(io: Any, said: bytearray) -> bool:
    """Read until a Python greets; tell whether one does. said: gets what has been said before."""
    greeting = GREETING.encode()
    while not said.endswith(greeting) and len(said) < MOST_SAID:
        said += io.read(1)
    return said.endswith(greeting)


def end(popen: Any) -> None:
    """End a guard, and with it all that has been started."""
    with contextlib.suppress(Exception):
        popen.terminate()
        popen.wait(END)
        popen.stdout.close()
        popen.stdin.close()
