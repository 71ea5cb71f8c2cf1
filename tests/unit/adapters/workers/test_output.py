"""What a process prints is kept, to a limit, and never holds the process up."""

import os
import threading

import pytest

from rnn_lockstep.adapters.workers import output
from rnn_lockstep.adapters.workers.output import Output


@pytest.fixture
def quiet():
    made = Output(live=False)
    yield made
    made.close()


def printed(path, text):
    """Write to a pipe as a process does that opens it."""
    with open(path, "wb", buffering=0) as pipe:
        pipe.write(text)


def test_what_is_printed_is_taken_once(quiet):
    printed(quiet.path, b"first\n")
    printed(quiet.path, b"second\n")
    assert quiet.take() == "first\nsecond\n"
    assert quiet.take() == ""


def test_the_end_of_much_is_kept_and_nobody_waits(quiet):
    text = b"x" * (3 * output.KEPT) + b"the end\n"
    writing = threading.Thread(target=printed, args=(quiet.path, text))
    writing.start()
    writing.join(10)
    assert not writing.is_alive()
    first, _, kept = quiet.take().partition("\n")
    assert first == f"({len(text) - output.KEPT} bytes before)"
    assert len(kept) == output.KEPT
    assert kept.endswith("the end\n")


def test_what_is_no_text_is_read_too(quiet):
    printed(quiet.path, b"\xff\x00\n")
    assert quiet.take() == "\ufffd\x00\n"


def test_live_output_moves_no_cursor(capsys):
    made = Output(live=True)
    printed(made.path, b"\x1b[2Jready\tnow\n")
    made.take()
    made.close()
    assert capsys.readouterr().err == "?[2Jready       now\n"


def test_nothing_is_left_behind():
    before = {*threading.enumerate()}
    made = Output(live=False)
    made.close()
    assert not os.path.exists(made.folder)
    for thread in {*threading.enumerate()} - before:
        thread.join(5)
        assert not thread.is_alive()
