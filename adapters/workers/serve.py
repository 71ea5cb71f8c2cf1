"""The worker: the code in a backend's own process, which asks the adapter what it is sent."""

import contextlib
import faulthandler
import gc
import os
import platform
import sys
import traceback
import warnings
from collections import Counter
from typing import Any

from rnn_lockstep.adapters.backends import compare
from rnn_lockstep.adapters.backends.contract import Refused
from rnn_lockstep.adapters.backends.registry import UnknownBackend, load
from rnn_lockstep.adapters.one_line import in_one_line, printable, with_type
from rnn_lockstep.adapters.workers import watched
from rnn_lockstep.adapters.workers.pipes import ANSWERS, QUESTIONS, Pipes
from rnn_lockstep.adapters.workers.watched import Watched, arguments
from rnn_lockstep.adapters.workers.wire import message_of, packed_answer, packed_facts, unpacked_case

SHOWN = 8  # frames of an exception's traceback that are told
ROOM = 2**20  # bytes that any answer may have, however small the case
WARNINGS = 20  # different ones that are told of with an answer


def serve(channel: Any) -> None:
    """Make the backend that an execnet channel names, and answer the cases that come, until it is closed.

    They come by pipes where a folder for them is told, otherwise by the channel too. Every answer is a list:
    a word for what it is, its content, what the adapter did beside answering, how often it warned of what.
    """
    name, path, folder = channel.receive()
    sys.path[:0] = [folder for folder in path if folder not in sys.path]
    os.dup2(2, 1)  # execnet has closed it; what is printed goes one way
    with contextlib.suppress(OSError, ValueError):
        faulthandler.enable(all_threads=False)
    try:
        adapter = Watched(load(name))
        line = answering_side(folder) if folder else channel
        channel.send(["made", packed_facts(adapter.facts), platform.python_version(), platform.node()])
    except UnknownBackend as error:
        channel.send(["unmade", type(error).__name__, in_one_line(error)])
        return
    except BaseException as error:
        channel.send(["unmade", "NotMade", f"backend {name} cannot be made: {with_type(error)}"])
        return
    with contextlib.closing(line):  # the other side sees the end, however it comes
        answer_cases(adapter, line)


def answering_side(folder: str) -> Pipes:
    """Open the pipes in a folder to receive cases and to send answers."""
    pipes = Pipes(folder, QUESTIONS, ANSWERS)
    pipes.connect()
    return pipes


def answer_cases(adapter: Watched, line: Any) -> None:
    """Answer what comes by a channel or pipes, until it is closed."""
    gc.freeze()  # a framework's objects stay, and to look them through again and again takes long
    warned = count_warnings()
    process = os.getpid()
    while True:
        try:
            message = line.receive()
        except EOFError:
            return
        answer, data = answered(adapter, message)
        if os.getpid() != process:  # a fork that the backend has let return: the other one answers
            os._exit(0)
        with contextlib.suppress(Exception):  # a backend may have closed or replaced them
            sys.stdout.flush()
            sys.stderr.flush()
        told = [adapter.complaints[:WARNINGS], dict(warned.most_common(WARNINGS))]
        line.send(message_of([*answer, *told], data))
        adapter.complaints.clear()
        warned.clear()


def answered(adapter: Watched, message: bytes) -> tuple[list[Any], bytes]:
    """Ask the adapter for an answer or gradients; say what came of it, whatever the backend does.

    Returned are a word for what it is with its content, and the bytes of the arrays in that.
    """
    case, cotangents = unpacked_case(message)
    most = ROOM + 16 * sum(array.nbytes for array in arguments(case, cotangents).values())
    most += 16 * case.dtype.itemsize * case.batch * case.time * case.features
    try:
        found = adapter.run(case) if cotangents is None else adapter.gradients(case, cotangents)
        plain, data = packed_answer(found, most)
        return ["answer", plain], data
    except Refused as reason:
        return ["refused", in_one_line(reason)], b""
    except BaseException as error:  # SystemExit and KeyboardInterrupt too
        return ["raised", [with_type(error), frames(error)]], b""


def frames(error: BaseException) -> list[str]:
    """The last places of an exception's traceback that are not on the way to the adapter, a line each."""
    found = traceback.extract_tb(error.__traceback__)
    ours = {__file__, watched.__file__, compare.__file__}
    shown = [frame for frame in found if frame.filename not in ours][-SHOWN:]
    return [printable(f"{f.filename}:{f.lineno}: in {f.name}: {f.line}") for f in shown]


def count_warnings() -> Counter[str]:
    """Count every warning from now on, in place of printing it; those of this project are raised."""
    counted: Counter[str] = Counter()

    def count(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = in_one_line(message) if isinstance(message, Warning) else str(message)
        counted[f"{category.__name__}: {text}"] += 1

    warnings.showwarning = count
    warnings.simplefilter("always")
    warnings.filterwarnings("error", module=r"rnn_lockstep\.")
    return counted
