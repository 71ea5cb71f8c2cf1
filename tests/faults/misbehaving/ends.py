"""Backends that end: their process, those around it, or whatever raises an exception to end it."""

import ctypes
import os
import resource
import signal
import sys
import threading
import time

from rnn_lockstep.adapters import Case
from tests.faults.misbehaving.misbehaviour import (
    EVERY_STEP,
    TWICE,
    Correct,
    misbehaviour,
    when_asked,
    when_made,
)

MIB = 2**20


@when_asked("the backend's process exited with status 0 while it ran this case")
def exits_with_0(case: Case) -> None:
    os._exit(0)


@when_asked("the backend's process exited with status 7 while it ran this case")
def exits_with_7(case: Case) -> None:
    os._exit(7)


@when_asked("exited with status 3", tests=EVERY_STEP)
def exits_on_long_sequences(case: Case) -> None:
    if case.time > 2:
        os._exit(3)


@when_asked("ended with SIGABRT", "Fatal Python error: Aborted", "in aborts")
def aborts(case: Case) -> None:
    os.abort()


@when_asked("ended with SIGSEGV", "Segmentation fault", "in segfaults")
def segfaults(case: Case) -> None:
    ctypes.string_at(0)


@when_asked("ended with SIGSEGV")
def overflows_the_native_stack(case: Case) -> None:
    sys.setrecursionlimit(2**30)
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))

    def deeper(value: list) -> list:
        return sorted([value], key=deeper)

    deeper([])


@when_asked("ended with SIGFPE")
def divides_by_zero_natively(case: Case) -> None:
    os.kill(os.getpid(), signal.SIGFPE)


@when_asked("ended with SIGKILL")
def is_killed(case: Case) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@when_asked("ended with SIGTERM")
def is_terminated(case: Case) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@when_asked("ended with SIGALRM")
def sets_an_alarm(case: Case) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(60)


@when_asked("ended with SIGXCPU")
def limits_its_own_time(case: Case) -> None:
    used = int(sum(os.times()[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + 1, used + 10))
    while True:
        pass


@when_asked("ended with SIGKILL")
def kills_its_parent(case: Case) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@when_asked("ended with SIGKILL")
def kills_its_parent_and_leaves_a_child(case: Case) -> None:
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@when_asked("ended with SIGKILL")
def kills_its_group(case: Case) -> None:
    os.killpg(0, signal.SIGKILL)


@when_asked("ended with SIGKILL")
def kills_the_group_of_its_parent(case: Case) -> None:
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)
    time.sleep(60)


@when_asked("exited with status 5", tests=TWICE)
def ends_between_cases(case: Case) -> None:
    threading.Timer(0.005, os._exit, [5]).start()


@when_asked("SystemExit")
def calls_sys_exit(case: Case) -> None:
    sys.exit()


@when_asked("SystemExit: 0")
def calls_sys_exit_0(case: Case) -> None:
    sys.exit(0)


@when_asked("SystemExit: all is well")
def calls_sys_exit_with_a_text(case: Case) -> None:
    sys.exit("all is well")


class Leaving(SystemExit):
    """A SystemExit of its own."""


@when_asked("Leaving: 0")
def raises_its_own_system_exit(case: Case) -> None:
    raise Leaving(0)


@when_asked("KeyboardInterrupt")
def raises_keyboard_interrupt(case: Case) -> None:
    raise KeyboardInterrupt


@when_asked("GeneratorExit")
def raises_generator_exit(case: Case) -> None:
    raise GeneratorExit


@when_asked("StopIteration")
def raises_stop_iteration(case: Case) -> None:
    raise StopIteration


class Unusual(BaseException):
    """A BaseException that is no Exception."""


@when_asked("Unusual: nobody expects this")
def raises_a_base_exception(case: Case) -> None:
    raise Unusual("nobody expects this")


@when_asked("Skipped: not today")
def skips_the_test(case: Case) -> None:
    import pytest

    pytest.skip("not today")


@when_asked("Exit: that is enough")
def ends_pytest(case: Case) -> None:
    import pytest

    pytest.exit("that is enough", returncode=0)


@when_asked("UnsatisfiedAssumption", tests=EVERY_STEP)
def rejects_the_example(case: Case) -> None:
    from hypothesis.errors import UnsatisfiedAssumption

    raise UnsatisfiedAssumption


@when_asked("MemoryError")
def asks_for_too_much_memory(case: Case) -> None:
    raise MemoryError


@when_asked("MemoryError")
def leaks_until_there_is_no_memory(case: Case) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    kept = []
    while True:
        kept.append(bytearray(16 * MIB))


@when_asked(red=False)
def leaks(case: Case) -> None:
    leaked.append(bytearray(MIB))


leaked: list[bytearray] = []


@when_asked("RecursionError: maximum recursion depth exceeded")
def recurses(case: Case) -> None:
    recurses.make().run(case)


@when_made("cannot be made: SystemExit: 0", saved=False)
def calls_sys_exit_when_made() -> None:
    sys.exit(0)


@when_made("cannot be made: its process exited with status 0", saved=False)
def exits_when_made() -> None:
    os._exit(0)


@when_made("cannot be made: its process ended with SIGSEGV", saved=False)
def segfaults_when_made() -> None:
    ctypes.string_at(0)


@when_made("cannot be made", "KeyboardInterrupt", saved=False)
def raises_keyboard_interrupt_when_made() -> None:
    raise KeyboardInterrupt


@when_made("cannot be made: Unusual: no", saved=False)
def raises_a_base_exception_when_made() -> None:
    raise Unusual("no")


@misbehaviour("cannot be made", "SystemExit: 0", saved=False)
class exits_in_its_facts(Correct):  # noqa: N801
    @property
    def facts(self) -> None:
        sys.exit(0)


@misbehaviour("exited with status 9")
class exits_in_its_destructor(Correct):  # noqa: N801
    def run(self, case: Case) -> None:
        Ending()


class Ending:
    """A value that takes the process with it."""

    def __del__(self) -> None:
        os._exit(9)
