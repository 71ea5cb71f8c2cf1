"""Interruption of a run: SIGTERM ends it as Ctrl-C does, with the summary of what ran."""

import contextlib
import signal
import threading
from typing import Any

import pytest

from rnn_lockstep.adapters.workers.guard import PARENT_DEATH_SIGNAL, prctl
from rnn_lockstep.adapters.workers.process import Process

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Handlers of both signals, from when it is made to the end of the session."""

    def __init__(self, config: pytest.Config) -> None:
        """Handle the signals. Only the main thread may say so."""
        self.config = config
        self.session: pytest.Session | None = None
        self.before: dict[signal.Signals, Any] = {}
        self.is_worker = hasattr(config, "workerinput")  # a process of pytest-xdist's
        if threading.current_thread() is not threading.main_thread():
            return
        if self.is_worker:
            prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)  # a main process that is killed tells nobody
        self.before = {number: signal.signal(number, self.interrupt) for number in SIGNALS}

    def interrupt(self, *_: Any) -> None:
        """Raise KeyboardInterrupt; where it is swallowed, stop before the next answer, case or test.

        SIGTERM is sent to a process and to its group by some, and must not end the ending.
        """
        if self.session:
            self.session.shouldstop = "interrupted"
        Process.interrupted = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.is_worker:  # Ctrl-C is for all, and is passed on as SIGTERM too
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        interrupt_workers(self.config)
        raise KeyboardInterrupt

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Know the session that is to be stopped."""
        self.session = session

    def pytest_unconfigure(self) -> None:
        """Let what else is asked in this process be answered."""
        Process.interrupted = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Let the summary be written, whoever sends SIGTERM once more; Ctrl-C ends that too."""
        for number, handler in self.before.items():
            signal.signal(number, signal.SIG_IGN if number == signal.SIGTERM else handler)


def interrupt_workers(config: pytest.Config) -> None:
    """Send SIGTERM to the processes of pytest-xdist, which would learn five seconds later that it is over."""
    nodes = getattr(config.pluginmanager.getplugin("dsession"), "nodemanager", None)
    for gateway in getattr(nodes, "group", ()):
        with contextlib.suppress(Exception):  # it is not there yet, or any more
            gateway._io.popen.terminate()
