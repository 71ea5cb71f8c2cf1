"""Runs of the suite on backends that misbehave, as a user starts them, and what they led to."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.command_line.running import ROOT, as_a_user
from tests.faults.misbehaving.misbehaviour import Misbehaviour

MODULE = "tests.faults.misbehaving"
MARK = "LOCKSTEP_TESTED_RUN"  # in the environment of whatever a run starts
SOON = 2.0  # seconds after a run, in which the last of what it has started must be gone

# The header of a failure, and a line of the summary of outcomes. The name of the backend is in both.
SECTION = re.compile(rf"^_+ (?:ERROR at setup of )?\w+\[{MODULE}:(\w+)-.* _+$", re.MULTILINE)
OUTCOME = re.compile(rf"^(PASSED|FAILED|ERROR) \S+\[{MODULE}:(\w+)-", re.MULTILINE)
SUMMARY = re.compile(r"^=+ (?:lockstep: every step|short test summary)", re.MULTILINE)
PRINTED = re.compile(r"^-+ printed by .* -+$(?:\n(?!_{3}|={3}).*)*", re.MULTILINE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@dataclass
class Run:
    """A run of pytest: started, maybe sent a signal, and waited for."""

    arguments: Sequence[str]
    folder: Path  # where cases are saved
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--hypothesis-profile=ci"]
        command += ["--rootdir", str(self.folder), "-rfEp", *self.arguments]
        environment = as_a_user(COLUMNS="150", **{MARK: self.mark})
        self.file = self.folder / f"output-{self.mark}"
        self.began = time.monotonic()
        with self.file.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
            )

    def wait(self, seconds: float) -> "Run":
        """Wait until it has ended; kill it, and say so, where it has not ended in time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"not ended after {seconds:g} s:\n{self.output}") from None
        self.seconds = time.monotonic() - self.began
        return self

    @property
    def output(self) -> str:
        """What it has printed until now."""
        return self.file.read_text("utf-8", "replace")

    def left(self) -> list[int]:
        """The processes that it has started and that are still there a little later. They are killed."""
        until = time.monotonic() + SOON
        while (left := list(marked(self.mark))) and time.monotonic() < until:
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left


def marked(mark: str) -> Iterator[int]:
    """The processes whose environment has a mark."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:  # it has ended, or is not ours
                continue
            if mark.encode() in environment:
                yield int(name)


def selection(tests: str) -> list[str]:
    """The arguments that select these tests, of a simple RNN only."""
    return [f"tests/parity/{tests}", "-k", "simple_rnn or float32"]


def options(names: Sequence[str], *others: str) -> list[str]:
    """The options that test these backends."""
    backends = [f"{MODULE}:{name}" for name in names] + list(others)
    return [word for backend in backends for word in ("--backend", backend)]


def mistaken(run: Run, one: Misbehaviour) -> Iterator[str]:
    """What a run should have told of a backend, and has not, in words."""
    outcomes = {outcome for outcome, name in OUTCOME.findall(run.output) if name == one.name}
    if one.red and not outcomes & {"FAILED", "ERROR"}:
        yield f"{one.name} failed no test"
    if not one.red and outcomes != {"PASSED"}:
        yield f"{one.name} misbehaves harmlessly, and its tests {outcomes or 'did not run'}"
    told = told_of(run.output, one.name)
    yield from (f"{one.name}: it is not told: {text}" for text in one.told if text not in told)
    saved = list(run.folder.glob(f".lockstep/{MODULE}-{one.name}-*.safetensors"))
    if bool(saved) != one.saved:
        yield f"{one.name}: {len(saved)} cases are saved"


def led_to(run: Run, name: str) -> str:
    """What became of a backend, in a line: its outcomes, and what is told of the first failure."""
    outcomes = {outcome.lower() for outcome, who in OUTCOME.findall(run.output) if who == name}
    reasons = re.findall(
        rf"^E  +(\S.*)|^(backend {MODULE}:{name} .*)", told_of(run.output, name), re.MULTILINE
    )
    reason = "".join(reasons[0]).replace(f"{MODULE}:{name}", "") if reasons else ""
    return f"{name}  {', '.join(sorted(outcomes))}  {reason.rpartition('supervised.')[2][:120]}"


def told_of(output: str, name: str) -> str:
    """All that is told of a backend: the sections of its failures, and lines of the summary."""
    pieces = SECTION.split(SUMMARY.split(output)[0])
    sections = [text for who, text in zip(pieces[1::2], pieces[2::2], strict=True) if who == name]
    lines = [line for line in output.splitlines() if re.search(rf"{MODULE}:{name}\b", line)]
    return "\n".join([*sections, *lines])


def wrong_with(run: Run) -> Iterator[str]:
    """What is wrong with a run as a whole, in words."""
    if run.process.returncode != 1:
        yield f"the exit code is {run.process.returncode}"
    if found := CONTROL.search(run.output):
        yield f"the output has {found[0]!r}"
    if "INTERNALERROR" in run.output or "\nTraceback (most recent" in PRINTED.sub("", run.output):
        yield "the output has a traceback of the run's own"
    if left := run.left():
        yield f"{len(left)} processes are left"
    if "numpy" not in run.output.rpartition("where the worst was")[2]:
        yield "the table has no row of the good backend"
