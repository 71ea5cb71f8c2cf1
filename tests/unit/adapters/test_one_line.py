"""Texts and errors from outside, in words that do nothing to a terminal and take no time."""

import time

import pytest

from rnn_lockstep.adapters import Facts, Refused
from rnn_lockstep.adapters.one_line import LONGEST, MOST, in_one_line, printable, printable_lines, with_type

HUGE = "\x1b[2J\n" * 28_000_000  # 140 MB


class Mute(Exception):
    """An error whose text raises another one."""

    def __init__(self, raises=ZeroDivisionError):
        self.raises = raises

    def __str__(self):
        raise self.raises


class NoText(Exception):
    """An error whose text is none."""

    def __str__(self):
        return 3


class Text(str):
    """A text that cannot be cut."""

    def __getitem__(self, _):
        raise IndexError


def test_a_huge_text_is_cut_before_it_is_worked_on():
    start = time.perf_counter()
    assert printable(HUGE).startswith("?[2J ?[2J")
    assert len(printable(HUGE)) == LONGEST + 3
    assert len(printable_lines(HUGE)) < MOST + 10
    assert in_one_line(RuntimeError(HUGE)).endswith("...")
    assert time.perf_counter() - start < 5


def test_what_has_been_made_printable_stays_as_it_is():
    for text in ("", "short", "é\n\x07", "x" * 10**4, "\u202e" * 200, " " * 10**4):
        assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no\nlayer"), "no layer"),
        (RuntimeError(), "RuntimeError"),
        (SystemExit(), "SystemExit"),
        (GeneratorExit(), "GeneratorExit"),
        (SystemExit(3), "3"),
        (OSError(28, "No space left on device", "x"), "No space left on device"),
        (OSError(1, Mute()), "a Mute without a text: its __str__ raises ZeroDivisionError"),
        (Mute(), "a Mute without a text: its __str__ raises ZeroDivisionError"),
        (Mute(SystemExit), "a Mute without a text: its __str__ raises SystemExit"),
        (NoText(), "a NoText without a text: its __str__ raises TypeError"),
        (RuntimeError(Text("cut me")), "cut me"),
        (RuntimeError("\ud800 \x1b]0;title\x07"), "\\ud800 ?]0;title?"),
    ],
)
def test_any_error_is_told_in_one_line(error, told):
    assert in_one_line(error) == told
    name = type(error).__name__
    assert with_type(error) == (name if told == name else f"{name}: {told}")


def test_several_lines_keep_their_indents_and_letters():
    assert printable_lines("E   é = 1\r\n\tx\x1b[0m\ud800") == "E   é = 1\n        x?[0m?"
    assert printable_lines(Mute()) == "a Mute without a text: its __str__ raises ZeroDivisionError"


def test_facts_have_short_printable_texts_whatever_they_are_given():
    facts = Facts(Text("mine"), version=Mute(), device="gpu\x1b[2J\n0", settings=HUGE)
    assert (facts.name, type(facts.name)) == ("mine", str)
    assert facts.version == "a Mute without a text: its __str__ raises ZeroDivisionError"
    assert facts.device == "gpu?[2J 0"
    assert len(str(facts)) < 600
    assert str(facts).isprintable()
    assert str(Facts("mine", version=(1, 2))) == "mine (1, 2), cpu"


@pytest.mark.parametrize("reason", [HUGE, Mute(), NoText(), 3, None, b"no", Text("no")], ids=type)
def test_a_refusal_has_a_short_printable_reason(reason):
    told = str(Refused(reason))
    assert told.isprintable()
    assert 0 < len(told) <= LONGEST + 3
    assert str(Refused()) == "Refused"
    assert str(Refused("no", "layer")) == "('no', 'layer')"
