"""One process of a backend: started, asked within a limit of time, ended."""

import atexit
import contextlib
import inspect
import os
import signal
import sys
import threading
import time
from typing import Any

import execnet

from rnn_lockstep.adapters.backends.registry import NotMade
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.workers import brought
from rnn_lockstep.adapters.workers.output import Output
from rnn_lockstep.adapters.workers.place import Place
from rnn_lockstep.adapters.workers.sources import sources
from rnn_lockstep.adapters.workers.wire import Message

HERE = "from rnn_lockstep.adapters.workers.serve import serve\nserve(channel)"
ELSEWHERE = f"{inspect.getsource(brought)}\ninstall(channel.receive())\n{HERE}"
GROUP = execnet.Group()
START = 60  # seconds that an interpreter may take to say that it is there
PIPE = 2**15  # bytes that are sent though nobody reads them
END = 5  # seconds in which a guard has ended everything


class Ended(Exception):
    """The process is no more. The message says how it ended: "ended with SIGSEGV"."""


class TimeOver(Exception):
    """The process did not answer in time."""


class Process:
    """A process that has made a backend, or is just making it."""

    def __init__(self, name: str, place: Place, output: Output) -> None:
        """Start it. Raises NotMade when no Python answers there."""
        self.gateway = self._started(name, place, output)
        atexit.register(self.end)
        try:
            self.channel = self.gateway.remote_exec(HERE if place.is_this_interpreter else ELSEWHERE)
            if not place.is_this_interpreter:
                self.channel.send(sources())
            self.channel.send([name, sys.path if place.is_this_interpreter else [os.getcwd()]])
        except OSError:  # it has ended already, which the first question will tell
            pass

    def _started(self, name: str, place: Place, output: Output) -> Any:
        """Start the interpreter, in a thread, since whatever is started may never say a word."""
        made: list[Any] = []

        def start() -> None:
            with contextlib.suppress(Exception, SystemExit):
                made.append(GROUP.makegateway(place.spec(output.path)))

        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        thread.join(START)
        if not made:
            said = printable(output.take())
            where = place.python or place.socket or "this interpreter"
            raise NotMade(
                f"backend {name} cannot be made: no Python answers at {f'{place.host} {where}'.strip()}"
                + (f": {said}" if said else "")
            )
        return made[0]

    def ask(self, message: Message, limit: float) -> Any:
        """Send a message and return the answer to it. limit: seconds. Raises Ended or TimeOver."""
        start = time.perf_counter()
        late = threading.Timer(limit, self.end)  # what nobody reads would be waited for without an end
        if sum(map(len, message)) > PIPE:
            late.start()
        try:
            self.channel.send(message)
        except OSError:
            if time.perf_counter() - start >= limit:
                raise TimeOver from None
            raise Ended(self._end_in_words()) from None
        finally:
            late.cancel()
        return self.receive(limit)

    def receive(self, limit: float) -> Any:
        """Return the next answer. limit: seconds. Raises Ended or TimeOver."""
        try:
            return self.channel.receive(limit)
        except self.channel.TimeoutError:
            raise TimeOver from None
        except EOFError:
            raise Ended(self._end_in_words()) from None
        except self.channel.RemoteError as error:
            raise Ended(f"ended: {printable(str(error).strip().splitlines()[-1])}") from None

    def _end_in_words(self) -> str:
        """How the process ended. An answer that could not be read is an end too."""
        popen: Any = getattr(self.gateway._io, "popen", None)  # execnet has no other way to its status
        with contextlib.suppress(Exception):
            status = popen.wait(END)
            if status < 0:
                return f"ended with {signal.Signals(-status).name}"
            return f"exited with status {status}"
        return "is gone"

    def end(self) -> None:
        """End it with all that it has started, at once. It may have ended before, or been ended."""
        atexit.unregister(self.end)
        with contextlib.suppress(Exception):
            popen = getattr(self.gateway._io, "popen", None)
            if popen is not None:
                popen.terminate()  # tells the guard, or ends ssh
                popen.wait(END)
            self.gateway.exit()
