"""Backends that say too much: what they print, warn of, raise and refuse."""

import os
import sys
import threading
import time
import warnings
from itertools import count

import numpy as np

from rnn_lockstep.adapters import Case, Facts, Refused
from tests.faults.misbehaving.misbehaviour import (
    EVERY_STEP,
    Correct,
    declaring,
    misbehaviour,
    when_asked,
    when_made,
)

MIB = 2**20
# Clears the screen, sets the title, turns text round, rings, and asks the terminal where its cursor is.
CODES = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\x00\x1b[6n"
numbers = count()


@when_asked(red=False)
def prints(case: Case) -> None:
    print("it prints this")


@when_asked("printed by", "the last line before it raises", "RuntimeError: after much text")
def prints_50_megabytes_and_raises(case: Case) -> None:
    for _ in range(50):
        print("x" * 1023 * 1024)
    print("the last line before it raises")
    raise RuntimeError("after much text")


@when_asked(red=False)
def prints_50_megabytes(case: Case) -> None:
    os.write(1, b"y" * 50 * MIB)


@when_asked("without an end", "ValueError: now")
def prints_without_a_newline(case: Case) -> None:
    sys.stdout.write("without an end")
    raise ValueError("now")


@when_asked("ValueError: ?[2J")
def prints_and_raises_escape_codes(case: Case) -> None:
    print(CODES, file=sys.stderr)
    raise ValueError(CODES)


@when_asked("ValueError: not UTF-8")
def prints_what_is_no_text(case: Case) -> None:
    os.write(2, bytes(range(256)) * 10)
    raise ValueError("not UTF-8")


@when_asked(red=False)
def prints_in_a_thread_without_end(case: Case) -> None:
    def go_on() -> None:
        while True:
            print("and on")

    threading.Thread(target=go_on, daemon=True).start()


@when_made(red=False)
def prints_when_made() -> None:
    print("z" * MIB, CODES)


@when_asked("warned", "DeprecationWarning: this will go", red=False)
def warns_each_time(case: Case) -> None:
    warnings.warn("this will go", DeprecationWarning, stacklevel=1)


@when_asked("warned", red=False, tests=EVERY_STEP)
def warns_of_another_thing_each_time(case: Case) -> None:
    warnings.warn(f"warning {next(numbers)} {CODES} {'w' * MIB}", stacklevel=1)


@when_asked(red=False)
def warns_a_hundred_thousand_times(case: Case) -> None:
    for _ in range(10**5):
        warnings.warn("again", stacklevel=1)


@when_asked("UserWarning: as an error")
def makes_errors_of_warnings(case: Case) -> None:
    warnings.simplefilter("error")
    warnings.warn("as an error", stacklevel=1)


@when_asked("RuntimeError: eeee")
def raises_100_megabytes(case: Case) -> None:
    raise RuntimeError("e" * 100 * MIB)


class Mute(Exception):
    """An error that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Numeric(Exception):
    """An error whose text is none."""

    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class Endless(Exception):
    """An error whose text takes for ever."""

    def __str__(self) -> str:
        time.sleep(3600)
        return ""


class Exiting(Exception):
    """An error whose text ends the process."""

    def __str__(self) -> str:
        sys.exit(0)


Named = type("N" * MIB + CODES.replace("\0", ""), (Exception,), {})


@when_asked("Mute")
def raises_what_has_no_text(case: Case) -> None:
    raise Mute


@when_asked("Numeric")
def raises_what_is_a_number(case: Case) -> None:
    raise Numeric


@when_asked("was ended", slow=12)
def raises_what_takes_for_ever(case: Case) -> None:
    raise Endless


@when_asked("Exiting")
def raises_what_exits(case: Case) -> None:
    raise Exiting


@when_asked("NNNN", "raised by its name")
def raises_a_type_with_a_long_name(case: Case) -> None:
    raise Named("raised by its name")


@when_asked("ExceptionGroup: many")
def raises_a_thousand_errors(case: Case) -> None:
    raise ExceptionGroup("many", [ValueError(k) for k in range(1000)])


@when_asked("KeyError: 'nothing but lines")
def raises_many_lines(case: Case) -> None:
    raise KeyError("nothing but lines\n" * 1000)


@when_asked("FloatingPointError")
def makes_errors_of_overflows(case: Case) -> None:
    np.seterr(all="raise")
    np.float32(1e38) * np.float32(1e38)


@when_asked("EOFError")
def asks_the_user(case: Case) -> None:
    input("May I?")


@when_asked("BdbQuit")
def starts_a_debugger(case: Case) -> None:
    breakpoint()


@when_asked("refused", "because ?[2J", "no case was compared", saved=False, tests=EVERY_STEP)
def refuses_for_another_reason_each_time(case: Case) -> None:
    raise Refused(f"because {CODES} {next(numbers)} {'r' * MIB}")


class MuteRefusal(Refused):
    """A refusal that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@when_asked("no case was compared", saved=False, tests=EVERY_STEP)
def refuses_without_a_text(case: Case) -> None:
    raise MuteRefusal


@when_asked("refused", "no simple RNN today", red=False, tests=EVERY_STEP)
def refuses_some(case: Case) -> None:
    if next(numbers) % 3 == 1:
        raise Refused("no simple RNN today")


@misbehaviour("cannot be made: RuntimeError: oooo", saved=False)
class raises_100_megabytes_when_made(Correct):  # noqa: N801
    def __init__(self) -> None:
        raise RuntimeError("o" * 100 * MIB)


long_name = declaring(name="long_name", red=False, facts=lambda: Facts("n" * 10 * MIB + CODES))
