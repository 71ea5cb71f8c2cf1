"""Backends that misbehave, run as a user runs them: what is red, what is told, and that all else is whole.

`python -m tests.benchmarks.misbehaving` runs every one of them.
"""

import json
import os
import re
import signal
import time

import pytest

from tests.faults.misbehaving import MISBEHAVIOURS
from tests.faults.misbehaving.misbehaviour import ONE_CASE, REPEATED, TWICE
from tests.faults.misbehaving.moments import MOMENT
from tests.faults.misbehaving.running import MODULE, Run, mistaken, options, selection, wrong_with

FEW = ("--max-examples", "10", "--case-timeout", "1")
LONGEST = 120  # seconds of a run, on a busy machine
SUMMARY = 15  # seconds after a signal in which the summary is there; on a machine at rest it takes 5

# Runs: the tests, how many processes, and the backends, which stand beside a good one.
RUNS = {
    "one case": (
        *(ONE_CASE, 0),
        "exits_with_0 segfaults kills_its_parent_and_leaves_a_child closes_all_files calls_sys_exit_0 "
        "ends_pytest raises_keyboard_interrupt exits_when_made has_no_run facts_of_nan_ulps "
        "prints_50_megabytes_and_raises answers_an_endless_tuple answers_a_giant changes_global_state",
    ),
    "several cases": (*(REPEATED, 0), "goes_on_in_its_fork overwrites_its_answers changes_inputs"),
    "in parallel": (
        *(TWICE, 2),
        "exits_with_7 skips_the_test leaves_a_daemon pauses_in_native_code stops_its_parent",
    ),
}
# When a run is interrupted, by what, whether all its processes get it as at a terminal, in how many it runs.
INTERRUPTIONS = [
    ("tells_when_made", signal.SIGTERM, False, 0),
    ("tells_when_asked", signal.SIGINT, True, 0),
    ("tells_in_the_diagnosis", signal.SIGINT, True, 2),
    ("tells_while_shrinking", signal.SIGTERM, False, 2),
]


@pytest.mark.parametrize(("tests", "processes", "names"), RUNS.values(), ids=RUNS)
def test_a_run_with_backends_that_misbehave_is_whole(tests, processes, names, tmp_path):
    chosen = names.split()
    report, alone = tmp_path / "report.json", tmp_path / "alone.json"
    common = (*selection(tests), *FEW, "--lockstep-report")
    run = Run([*common, str(report), *options(chosen, "numpy"), "-n", str(processes)], tmp_path).wait(LONGEST)
    assert [*wrong_with(run), *(what for name in chosen for what in mistaken(run, MISBEHAVIOURS[name]))] == []
    Run([*common, str(alone), *options([], "numpy")], tmp_path).wait(LONGEST)
    assert figures(report, "numpy") == figures(alone, "numpy")
    assert {failure["backend"] for failure in json.loads(report.read_text())["failures"]} >= {
        f"{MODULE}:{name}" for name in chosen if MISBEHAVIOURS[name].saved
    }


def figures(report, name):
    """What a report says of a backend, but for the time that it took."""
    (found,) = [backend for backend in json.loads(report.read_text())["backends"] if backend["name"] == name]
    for score in found["scores"]:
        del score["cases_per_second"]
    return found


def test_a_sequence_that_cannot_go_on_from_nan_is_no_error_of_the_backend(tmp_path):
    """The law of split sequences carries a state over. Of NaN it judges the part that answered it."""
    selected = ("tests/parity/test_laws.py", "-k", "test_split_sequence_is_the_whole and simple_rnn")
    run = Run([*selected, *options(["answers_final_states_of_nan"]), *FEW], tmp_path).wait(LONGEST)
    assert run.process.returncode == 1
    assert "wrong final_state" in run.output
    assert "raised" not in run.output


def test_a_backend_that_exits_with_0_is_red_alone_and_its_case_can_be_replayed(tmp_path):
    backend = options(["exits_with_0"])
    run = Run([*selection(ONE_CASE), *backend, *FEW], tmp_path).wait(LONGEST)
    assert run.process.returncode == 1
    assert [*mistaken(run, MISBEHAVIOURS["exits_with_0"])] == []
    (again,) = re.findall(r"--replay=(\S+)", run.output)[:1]
    replayed = Run([f"--replay={again}", *backend], tmp_path).wait(LONGEST)
    assert replayed.process.returncode == 1
    assert "exited with status 0 while it ran this case" in replayed.output
    good = Run([f"--replay={again}", "--backend", "numpy"], tmp_path).wait(LONGEST)
    assert good.process.returncode == 0


@pytest.mark.parametrize(("name", "number", "to_all", "processes"), INTERRUPTIONS)
def test_an_interrupted_run_ends_with_its_summary(name, number, to_all, processes, tmp_path, monkeypatch):
    run = at_the_moment(name, processes, tmp_path, monkeypatch)
    before = time.monotonic()
    (os.killpg if to_all else os.kill)(run.process.pid, number)
    run.wait(LONGEST)
    assert time.monotonic() - before < SUMMARY
    assert run.process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in run.output
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
    assert run.left() == []


def test_nothing_outlives_a_run_that_is_killed(tmp_path, monkeypatch):
    run = at_the_moment("tells_when_asked", 2, tmp_path, monkeypatch)
    run.process.kill()
    run.process.wait()
    assert run.left() == []


def at_the_moment(name, processes, folder, monkeypatch):
    """Start a run, and wait until its backend tells that it is the moment."""
    moment = folder / "moment"
    monkeypatch.setenv(MOMENT, str(moment))
    selected = selection(MISBEHAVIOURS[name].tests)
    run = Run([*selected, *options([name], "numpy"), "--max-examples", "300", "-n", str(processes)], folder)
    until = time.monotonic() + LONGEST
    while not moment.exists() and run.process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert moment.exists(), run.output
    return run
