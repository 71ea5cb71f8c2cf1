"""Backends that change what is not theirs: arguments, answers, their process and what it starts."""

import builtins
import gc
import json
import locale
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Trace
from tests.faults.misbehaving.misbehaviour import REPEATED, Correct, misbehaviour, when_answering, when_asked

FOR_EVER = 3600  # seconds
CONDUCT = {"tests": REPEATED}


@when_asked(red=False)
def changes_the_folder(case: Case) -> None:
    os.chdir("/")


@when_asked(red=False)
def changes_global_state(case: Case) -> None:
    np.random.seed(0)
    random.seed(0)
    np.seterr(all="ignore")
    np.set_printoptions(precision=1)
    gc.disable()
    os.umask(0o777)
    os.environ.clear()
    sys.path.clear()
    sys.setswitchinterval(1000)
    locale.setlocale(locale.LC_ALL, "C")
    threading.stack_size(2**16)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


@when_asked(red=False, tests=REPEATED)
def lowers_the_recursion_limit(case: Case) -> None:
    sys.setrecursionlimit(30)


@when_asked(red=False)
def closes_its_files(case: Case) -> None:
    for number in (0, 1, 2):
        os.close(number)


@when_asked("the backend's process")
def closes_all_files(case: Case) -> None:
    os.closerange(0, 256)


@when_asked("the backend's process")
def writes_into_all_files(case: Case) -> None:
    for number in range(20):
        try:
            os.write(number, b"\x05\x00\x00\x00\x01\x00\x00\x00\x10garbage" * 100)
        except OSError:
            continue


@when_asked(red=False)
def writes_into_its_output(case: Case) -> None:
    os.write(1, b"\x05\x00\x00\x00\x01\x00\x00\x00\x10garbage" * 100)


@when_asked(red=False)
def has_no_output(case: Case) -> None:
    sys.stdout = sys.stderr = sys.stdin = None  # type: ignore[assignment]


@when_asked("TypeError: 'NoneType' object is not callable")
def changes_numpy(case: Case) -> None:
    np.matmul = np.array_equal = np.may_share_memory = np.frombuffer = None


@when_asked("the backend's process")
def changes_the_standard_library(case: Case) -> None:
    json.dumps = None  # type: ignore[assignment]
    builtins.isinstance = None  # type: ignore[assignment]


@when_asked("AttributeError: module 'sys' has no attribute")
def forgets_its_modules(case: Case) -> None:
    sys.modules.clear()


@when_answering("wrong outputs")
def changes_the_check(case: Case, right: Trace) -> Trace:
    """Be wrong, and let the check say what is always right, in this process."""
    from rnn_lockstep.adapters.backends import compare
    from rnn_lockstep.reference.check import answers

    compare.check = answers.check = lambda *_: None
    right.outputs[...] = 3
    return right


@when_asked(red=False)
def leaves_a_child(case: Case) -> None:
    if os.fork() == 0:
        time.sleep(FOR_EVER)


@when_asked(red=False)
def leaves_a_daemon(case: Case) -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
            time.sleep(FOR_EVER)
        os._exit(0)


@when_asked(red=False)
def leaves_a_pool(case: Case) -> None:
    pools.append(multiprocessing.get_context("fork").Pool(2))


pools: list[Any] = []


@when_asked(red=False)
def leaves_a_command(case: Case) -> None:
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOR_EVER})"], start_new_session=True)


@when_asked(red=False, tests=REPEATED)
def goes_on_in_its_fork(case: Case) -> None:
    """Answer twice: once in the process that was asked and once in another."""
    os.fork()


@when_asked("exited with status 4")
def goes_on_in_its_fork_only(case: Case) -> None:
    if os.fork():
        os._exit(4)


@when_asked(red=False)
def leaves_its_session(case: Case) -> None:
    if os.getsid(0) != os.getpid():
        os.setpgid(0, os.getpgid(os.getppid()))
        os.setsid()


def changing(name: str) -> Any:
    """Make a misbehaviour that changes one argument, even one that may not be written to."""

    def change(case: Case, right: Trace) -> Trace:
        array = getattr(case, name)
        if array is not None and array.size:
            array.flags.writeable = True
            array += 1
        return right

    change.__name__ = f"changes_{name}"
    return when_answering(f"changed the {name} it was given", **CONDUCT)(change)


MUTATING = [changing(name) for name in ("inputs", "W", "U", "b", "initial_state")]


@misbehaviour("overwrote its answer to an earlier case", **CONDUCT)
class overwrites_its_answers(Correct):  # noqa: N801
    last = None

    def run(self, case: Case) -> Trace:
        right = super().run(case)
        if self.last is not None:
            self.last[...] = 3
        self.last = right.outputs
        return right


@misbehaviour("answers in the memory of an earlier answer", **CONDUCT)
class answers_in_the_same_memory(Correct):  # noqa: N801
    def __init__(self) -> None:
        self.memory: dict[Any, Any] = {}

    def run(self, case: Case) -> Trace:
        right = super().run(case)
        kept = self.memory.setdefault(right.outputs.shape, np.empty_like(right.outputs, np.float64))
        kept = kept.view(case.dtype)[..., : case.hidden_size]
        kept[...] = right.outputs
        return Trace(kept, right.final_state)
