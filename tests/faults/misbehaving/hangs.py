"""Backends that do not answer: in Python, in native code, at the start and at the end of their process."""

import atexit
import ctypes
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress

from rnn_lockstep.adapters import Case
from tests.faults.misbehaving.misbehaviour import (
    EVERY_STEP,
    TWICE,
    WIDE,
    Correct,
    misbehaviour,
    when_asked,
    when_made,
)

FOR_EVER = 3600  # seconds
ENDED = "the backend's process was ended: it ran this case for more than"


def on_the_second_call() -> bool:
    """Tell whether this process has been asked before: the first call may take ten seconds more."""
    calls.append(1)
    return len(calls) > 1


calls: list[int] = []


@when_asked(ENDED, tests=TWICE)
def sleeps(case: Case) -> None:
    if on_the_second_call():
        time.sleep(FOR_EVER)


@when_asked(ENDED, slow=12)
def sleeps_at_once(case: Case) -> None:
    time.sleep(FOR_EVER)


@when_asked(ENDED, slow=45, tests=EVERY_STEP)
def sleeps_on_long_sequences(case: Case) -> None:
    if case.time > 2:
        time.sleep(FOR_EVER)


@when_asked(ENDED, tests=TWICE)
def loops(case: Case) -> None:
    while on_the_second_call():
        pass


@when_asked(ENDED, tests=TWICE)
def loops_and_catches_everything(case: Case) -> None:
    while on_the_second_call():
        with suppress(BaseException):
            time.sleep(FOR_EVER)


@when_asked(ENDED, tests=TWICE)
def pauses_in_native_code(case: Case) -> None:
    """Wait without releasing the interpreter's lock."""
    if on_the_second_call():
        ctypes.PyDLL(None).pause()


@when_asked(ENDED, tests=TWICE)
def backtracks(case: Case) -> None:
    if on_the_second_call():
        re.match(r"(a+)+$", "a" * 60 + "b")


@when_asked(ENDED, tests=TWICE)
def ignores_signals(case: Case) -> None:
    if on_the_second_call():
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(FOR_EVER)


@when_asked(ENDED, tests=TWICE)
def deadlocks(case: Case) -> None:
    if on_the_second_call():
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


@when_asked(ENDED, tests=TWICE)
def stops_itself(case: Case) -> None:
    if on_the_second_call():
        os.kill(os.getpid(), signal.SIGSTOP)


@when_asked(ENDED, tests=TWICE)
def stops_its_parent(case: Case) -> None:
    if on_the_second_call():
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(FOR_EVER)


@when_asked(ENDED, tests=EVERY_STEP, slow=20)
def stops_between_cases(case: Case) -> None:
    """Be stopped a little after the answer, so that what is asked next is not read."""
    if os.fork() == 0:
        time.sleep(0.002)
        os.kill(os.getppid(), signal.SIGSTOP)
        os._exit(0)


@when_asked(ENDED, tests=TWICE)
def holds_the_lock_in_a_thread(case: Case) -> None:
    if on_the_second_call():
        threading.Thread(target=ctypes.PyDLL(None).pause, daemon=True).start()


@when_asked(ENDED, tests=WIDE)
def holds_the_lock_between_cases(case: Case) -> None:
    """Read nothing a little after the answer, so that a large case cannot even be sent."""
    threading.Timer(0.02, ctypes.PyDLL(None).pause).start()


@when_asked(ENDED, tests=TWICE)
def waits_for_its_child(case: Case) -> None:
    if on_the_second_call():
        if os.fork() == 0:
            os.setsid()
            time.sleep(FOR_EVER)
        os.wait()


@when_asked(red=False)
def leaves_a_thread(case: Case) -> None:
    threading.Thread(target=time.sleep, args=(FOR_EVER,)).start()


@when_asked(red=False)
def hangs_at_exit(case: Case) -> None:
    atexit.register(time.sleep, FOR_EVER)


@misbehaviour(red=False)
class hangs_in_its_destructor(Correct):  # noqa: N801
    def __del__(self) -> None:
        time.sleep(FOR_EVER)


@when_asked(red=False)
def is_slow(case: Case) -> None:
    time.sleep(0.3)


@when_made("cannot be made: its process was ended: it took more than", saved=False, slow=65)
def hangs_when_made() -> None:
    time.sleep(FOR_EVER)


@when_made("cannot be made: its process was ended: it took more than", saved=False, slow=65)
def hangs_in_native_code_when_made() -> None:
    ctypes.PyDLL(None).pause()


@misbehaviour("cannot be made: its process was ended: it took more than", saved=False, slow=65)
class hangs_in_its_facts(Correct):  # noqa: N801
    @property
    def facts(self) -> None:
        time.sleep(FOR_EVER)


@when_asked(ENDED, tests=TWICE)
def hangs_in_a_tracer(case: Case) -> None:
    if on_the_second_call():
        sys.settrace(lambda *_: time.sleep(FOR_EVER))
